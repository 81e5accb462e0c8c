"""What the rehearsal model says: by the script in the task, else by simple rules (pure, deterministic).

A task may carry its own script, so that a test or a demonstration plays the same each time:

    ```rehearsal
    [{"calls": [{"tool": "calculate", "args": {"expression": "6*7"}}]}, {"finish": "It is 42."}]
    ```

Each item is one turn: `say` (text), `calls` (`tool` with `args`, or `raw` text that is to be no JSON), `finish`. What
was played stands in the ids of the calls, so that the same turn is not played twice.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from runs.engine.reuse import placeholder

LABEL = "Rehearsal, no language model"
_SCRIPT = re.compile(r"```rehearsal\s*\n(.*?)```", re.DOTALL)
_PLAYED = re.compile(r"rehearsal turn (\d+)")
_CALL_ID = re.compile(r"call_(\d+)_\d+")
_SUM = re.compile(r"(?<![\w.])\(*\d+(?:\.\d+)?(?:\s*[-+*/]\s*\(*\d+(?:\.\d+)?\)*)+")
_ADDRESS = re.compile(r"https?://[^\s<>\"')]+")
_MAX_ADDRESSES = 3

Message = dict[str, Any]


@dataclass(frozen=True, slots=True)
class CallSaid:
    """A tool call: `arguments` is text, as on the wire."""

    id: str
    tool: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Reply:
    """What the model answers."""

    text: str = ""
    calls: list[CallSaid] = field(default_factory=list)


def reply(messages: Sequence[Message], tools: Sequence[str], schema: dict[str, Any] | None) -> Reply:
    """Return the answer to a chat so far; `tools` are the names on offer, `schema` of a structured answer."""
    turn = next_turn(messages)
    if schema is not None:
        return Reply(json.dumps(_filled(schema, messages, turn)))
    if not tools and "summar" in _of(messages, "system").lower():
        return Reply(_gist(messages, turn))
    script = _script(messages)
    if script is not None:
        return _played(script, turn, tools)
    return _improvised(messages, tools, turn)


def next_turn(messages: Sequence[Message]) -> int:
    """Return how many turns were played: by the ids of calls, by what a summary says, or by counting."""
    ids = [str(call.get("id", "")) for message in messages for call in message.get("tool_calls") or []]
    texts = [_text(message) for message in messages]
    numbers = [int(number) + 1 for text in [*ids, *texts] for number in _CALL_ID.findall(text)]
    told = [int(number) for text in texts for number in _PLAYED.findall(text)]
    answers = sum(message["role"] == "assistant" for message in messages)
    return max([*numbers, *told], default=answers)


def _played(script: list[Any], turn: int, tools: Sequence[str]) -> Reply:
    scene = script[turn] if turn < len(script) else {"finish": f"The script ended after {len(script)} turns."}
    if not isinstance(scene, dict):
        return Reply(f"{LABEL}: turn {turn} of the script is no object.")
    calls = [call for call in scene.get("calls", []) if isinstance(call, dict)]
    if "finish" in scene and "finish" in tools:
        calls = [*calls, {"tool": "finish", "args": {"output": scene["finish"]}}]
    said = [
        CallSaid(f"call_{turn}_{n}", str(call.get("tool", "")), _arguments(call))
        for n, call in enumerate(calls)
    ]
    return Reply(str(scene.get("say", "") or ("" if said else scene.get("finish", ""))), said)


def _arguments(call: Message) -> str:
    return str(call["raw"]) if "raw" in call else json.dumps(call.get("args", {}))


def _improvised(messages: Sequence[Message], tools: Sequence[str], turn: int) -> Reply:
    """Calculate the sums and read the addresses in the task, then finish with what came."""
    task = _of(messages, "user")
    results = [_text(message) for message in messages if message["role"] == "tool"]
    wanted = [("calculate", {"expression": found}) for found in _SUM.findall(task)]
    wanted += [("http_get", {"url": found}) for found in _ADDRESS.findall(task)[:_MAX_ADDRESSES]]
    calls = [
        CallSaid(f"call_{turn}_{n}", tool, json.dumps(args))
        for n, (tool, args) in enumerate(wanted)
        if tool in tools
    ]
    if calls and not results:
        return Reply(f"{LABEL}: the task names {len(calls)} things to look up.", calls)
    found = "; ".join(result[:200] for result in results) or "nothing had to be looked up"
    answer = f"{LABEL}. Task: {task[:200]} Found: {found}"
    if "finish" in tools:
        return Reply("", [CallSaid(f"call_{turn}_0", "finish", json.dumps({"output": answer}))])
    return Reply(answer)


def _filled(schema: dict[str, Any], messages: Sequence[Message], turn: int) -> Any:
    """Return JSON of the schema's shape; texts say where the play stands."""
    made = placeholder("rehearsal", schema)
    note = f"{LABEL}; rehearsal turn {turn}; task: {_of(messages, 'user')[:200]}"
    if isinstance(made, dict):
        return {key: note if isinstance(value, str) else value for key, value in made.items()}
    return made


def _gist(messages: Sequence[Message], turn: int) -> str:
    lines = [
        f"{message['role']}: {_text(message)[:100]}" for message in messages if message["role"] != "system"
    ]
    return f"{LABEL}; rehearsal turn {turn}. " + " | ".join(lines)[:2000]


def _script(messages: Sequence[Message]) -> list[Any] | None:
    found = _SCRIPT.search(_of(messages, "user"))
    if found is None:
        return None
    try:
        script = json.loads(found[1])
    except ValueError:
        return [{"finish": f"{LABEL}: the script in the task is no JSON."}]
    return script if isinstance(script, list) else [script]


def _of(messages: Sequence[Message], role: str) -> str:
    roles = (role, "developer") if role == "system" else (role,)
    return "\n".join(_text(message) for message in messages if message["role"] in roles)


def _text(message: Message) -> str:
    content = message.get("content") or ""
    if isinstance(content, str):
        return content
    return "\n".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
