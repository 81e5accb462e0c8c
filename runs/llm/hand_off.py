"""Sessions of an agent of a language model: when one ends, and the document that the next one begins from."""

from collections.abc import Sequence
from typing import Any

from agentops.common.types import JsonObject
from runs.engine.definition import LlmDefinition

ASKED = (
    "Write the hand-off for a fresh session that will see nothing but the goal and this document."
    " Only what the talk below shows to be true."
)
_TEXTS: JsonObject = {"type": "array", "items": {"type": "string"}}
_LISTS = ("done", "next", "facts", "decisions", "open_questions", "do_not_repeat")
SCHEMA: JsonObject = {
    "type": "object",
    "properties": {"summary": {"type": "string"}, **dict.fromkeys(_LISTS, _TEXTS)},
    "required": ["summary", *_LISTS],
    "additionalProperties": False,
}


def limit_reached(definition: LlmDefinition, session: Any, tokens: int) -> str:
    """Return which limit a session has reached that shows the model `tokens` now, in words; empty for none."""
    limits, window = definition.session, definition.context_tokens
    share = limits.window_share
    reached = (
        (limits.active_seconds, session.get("active_seconds", 0.0), "seconds of work"),
        (limits.tool_calls, session["tool_calls"], "tool calls"),
        (None if share is None else int(window * share), tokens, "tokens of the context window"),
        (limits.tokens, session["tokens"], "tokens"),
    )
    return next((f"{most:,.10g} {of}" for most, now, of in reached if most is not None and now >= most), "")


def fresh_session(number: int, start: int) -> JsonObject:
    """Return the counts of a session that begins behind the message `start`."""
    return {"number": number, "start": start, "tool_calls": 0, "tokens": 0, "active_seconds": 0.0}


def made_of_calls(messages: Sequence[Any], error_code: str) -> JsonObject:
    """Return the document of a session whose model wrote none that fits: what its tools returned."""
    calls = [f"{it['tool']}: {short(it['result'])}" for it in messages if it["role"] == "tool"]
    summary = f"Made from the calls, for the model wrote none ({error_code})."
    return {"summary": summary, **{name: [] for name in _LISTS}, "done": [*calls]}


def document_text(document: Any) -> str:
    """Return a document as the model of the next session reads it."""
    return "\n".join(
        f"{name}: {'; '.join(value) if isinstance(value, list) else value}"
        for name, value in document.items()
    )


def as_text(messages: Any) -> str:
    """Return a talk as text, a line for each message."""
    return "\n".join(f"{message['role']}: {_words(message)}" for message in messages)


def short(value: Any) -> str:
    return str(value)[:2000]


def _words(message: Any) -> str:
    if message["role"] == "tool":
        return f"{message['tool']} returned {short(message['result'])}"
    calls = "; ".join(
        f"calls {call['tool']} {call.get('args', '')} as {call['id']}" for call in message.get("calls", [])
    )
    return " ".join(part for part in (str(message.get("text", "")), calls) if part)
