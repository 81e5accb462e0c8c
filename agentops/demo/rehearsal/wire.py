"""OpenAI's wire format of chat completions: what the rehearsal model reads and writes (pure)."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from agentops.demo.rehearsal.script import Message, Reply, reply

MODELS = ("rehearsal", "rehearsal-backup")


@dataclass(frozen=True, slots=True)
class Asked:
    """One request: who answers it with what, and how much of what it costs."""

    model: str
    is_streamed: bool
    reply: Reply
    digest: str
    tokens_in: int

    @property
    def tokens_out(self) -> int:
        return tokens(self.reply.text) + sum(tokens(call.arguments) + 4 for call in self.reply.calls)

    def with_bad_calls(self) -> "Asked":
        """Return the same with arguments that are cut off, where there are calls."""
        calls = [replace(call, arguments=call.arguments[:-1] + ',"') for call in self.reply.calls]
        return replace(self, reply=replace(self.reply, calls=calls))


def tokens(text: str) -> int:
    """Return about how many tokens a text has; the rehearsal model's own reckoning."""
    return len(text) // 4 + 1


def read(body: Any) -> Asked:
    """Return what was asked.

    Raises: ValueError saying what does not fit.
    """
    if not isinstance(body, dict) or body.get("model") not in MODELS:
        raise ValueError(f"model must be one of {', '.join(MODELS)}")
    messages = body.get("messages")
    if not isinstance(messages, list) or not all(isinstance(m, dict) and "role" in m for m in messages):
        raise ValueError("messages must be a list of objects with a role")
    check_pairs(messages)
    tools = [str(tool["function"]["name"]) for tool in body.get("tools") or []]
    text = json.dumps(body, sort_keys=True)
    return Asked(
        model=str(body["model"]),
        is_streamed=bool(body.get("stream")),
        reply=reply(messages, tools, _schema(body)),
        digest=hashlib.sha256(text.encode()).hexdigest()[:16],
        tokens_in=tokens(text),
    )


def check_pairs(messages: list[Message]) -> None:
    """Refuse what a real provider refuses: calls without their results right behind them, and results without a call.

    Raises: ValueError
    """
    open_ids: set[str] = set()
    for message in messages:
        if message["role"] == "tool":
            if message.get("tool_call_id") not in open_ids:
                raise ValueError(f"a tool result without its call: {message.get('tool_call_id')!r}")
            open_ids.discard(str(message["tool_call_id"]))
        elif open_ids:
            raise ValueError(f"tool calls without a result: {', '.join(sorted(open_ids))}")
        open_ids |= {str(call["id"]) for call in message.get("tool_calls") or []}
    if open_ids:
        raise ValueError(f"tool calls without a result: {', '.join(sorted(open_ids))}")


def completion(asked: Asked) -> dict[str, Any]:
    """Return the answer in one piece."""
    message: dict[str, Any] = {"role": "assistant", "content": asked.reply.text or None}
    if asked.reply.calls:
        message["tool_calls"] = [_call(n, asked) for n in range(len(asked.reply.calls))]
    choice = {"index": 0, "message": message, "finish_reason": _reason(asked), "logprobs": None}
    return _frame(asked, "chat.completion") | {"choices": [choice], "usage": _usage(asked)}


def chunks(asked: Asked) -> Iterator[dict[str, Any]]:
    """Return the answer in pieces: a few words each, then each call in two, then the figures."""
    yield _chunk(asked, {"role": "assistant", "content": ""})
    words = asked.reply.text.split(" ")
    for n in range(0, len(words), 3):
        piece = " ".join(words[n : n + 3])
        yield _chunk(asked, {"content": piece + " " * (n + 3 < len(words))})
    for n, call in enumerate(asked.reply.calls):
        named = {**_call(n, asked), "index": n, "function": {"name": call.tool, "arguments": ""}}
        yield _chunk(asked, {"tool_calls": [named]})
        yield _chunk(asked, {"tool_calls": [{"index": n, "function": {"arguments": call.arguments}}]})
    yield _chunk(asked, {}, _reason(asked))
    yield _frame(asked, "chat.completion.chunk") | {"choices": [], "usage": _usage(asked)}


def problem(message: str, kind: str) -> dict[str, Any]:
    """Return an error as OpenAI words it."""
    return {"error": {"message": message, "type": kind, "param": None, "code": kind}}


def _schema(body: dict[str, Any]) -> dict[str, Any] | None:
    wanted = body.get("response_format")
    if not isinstance(wanted, dict) or wanted.get("type") != "json_schema":
        return None
    schema = wanted["json_schema"]["schema"]
    return schema if isinstance(schema, dict) else None


def _call(n: int, asked: Asked) -> dict[str, Any]:
    call = asked.reply.calls[n]
    return {"id": call.id, "type": "function", "function": {"name": call.tool, "arguments": call.arguments}}


def _reason(asked: Asked) -> str:
    return "tool_calls" if asked.reply.calls else "stop"


def _usage(asked: Asked) -> dict[str, int]:
    return {
        "prompt_tokens": asked.tokens_in, "completion_tokens": asked.tokens_out,
        "total_tokens": asked.tokens_in + asked.tokens_out,
    }  # fmt: skip


def _frame(asked: Asked, kind: str) -> dict[str, Any]:
    return {"id": f"chatcmpl-{asked.digest}", "object": kind, "created": 0, "model": f"{asked.model}-1"}


def _chunk(asked: Asked, delta: dict[str, Any], reason: str | None = None) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "finish_reason": reason, "logprobs": None}
    return _frame(asked, "chat.completion.chunk") | {"choices": [choice]}
