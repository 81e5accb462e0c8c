"""The messages of a talk with a model: what is kept, and what of it the model is shown (pure).

A message is one of

    {"role": "user", "text"}
    {"role": "assistant", "text", "calls": [{"id", "tool", "args" or "raw"}]}
    {"role": "tool", "call", "tool", "result", "is_error"}

They are only ever appended. A *compaction* says what the model is no longer shown of them, or in which shape: `strategy`,
`from` and `to` (indexes of messages), and `summary` where it stands for them. Taking one back (`undone`) shows the originals
again. A call is never parted from its results, and one without a result is shown with a stand-in: no provider takes anything else.
"""

import json
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any

from agentops.common.types import JsonObject

Message = Mapping[str, Any]

CHARACTERS_PER_TOKEN = 4
MESSAGE_TOKENS = 6
MAX_RESULT_CHARACTERS = 20_000
NO_OUTCOME = "This call was interrupted; whether it was done is not known."


class Strategy(StrEnum):
    """How a talk is kept short."""

    NONE = "none"
    TRIM = "trim"
    DELETE = "delete"
    CLEAR_TOOL_RESULTS = "clear_tool_results"
    SUMMARISE = "summarise"
    CUSTOM = "custom"


def estimate_tokens(messages: Sequence[Message], instructions: str = "") -> int:
    """Return about how many tokens the messages take: four characters each, and a few for each message."""
    characters = len(instructions) + sum(_characters(message) for message in messages)
    return characters // CHARACTERS_PER_TOKEN + MESSAGE_TOKENS * (len(messages) + 1)


def shown(
    messages: Sequence[Message], compactions: Sequence[Message] = (), *, start: int = 0
) -> list[JsonObject]:
    """Return what the model is shown of the messages from `start` on; every call with its results."""
    kept: dict[int, JsonObject] = {n: _cut(messages[n]) for n in range(start, len(messages))}
    for compaction in compactions:
        if not compaction.get("undone"):
            _compacted(kept, compaction)
    return paired([kept[n] for n in sorted(kept)])


def paired(messages: Sequence[JsonObject]) -> list[JsonObject]:
    """Return the messages with a result behind every call, and without results that belong to none."""
    results = {str(message["call"]): message for message in messages if message["role"] == "tool"}
    found: list[JsonObject] = []
    for message in messages:
        if message["role"] != "tool":
            found.append(message)
            calls: Any = message.get("calls") or ()
            found += [
                results.pop(call["id"])
                if call["id"] in results
                else result_of(call, NO_OUTCOME, is_error=True)
                for call in calls
            ]
    return found


def result_of(call: Message, result: Any, *, is_error: bool = False) -> JsonObject:
    """Return the message that tells what came of a call."""
    return {"role": "tool", "call": call["id"], "tool": call["tool"], "result": result, "is_error": is_error}


def boundary(messages: Sequence[Message], index: int) -> int:
    """Return the next index at which the messages may be parted: not between a call and its results."""
    while index < len(messages) and messages[index]["role"] == "tool":
        index += 1
    return index


def compaction(
    strategy: Strategy, messages: Sequence[Message], *, start: int, keep_tokens: int, keep_turns: int
) -> JsonObject | None:
    """Return what should no longer be shown as it is, or None when nothing is left to shorten.

    The first message from `start` on says what it is all about, so it stays. What is kept at the end is the last
    `keep_turns` answers with what followed them (`delete`), else what fits into `keep_tokens`.
    """
    first = boundary(messages, start + 1)
    if strategy is Strategy.DELETE:
        end = _turns_from_end(messages, keep_turns)
    else:
        end = _fitting_from_end(messages, first, keep_tokens)
    end = boundary(messages, end)
    if strategy in (Strategy.NONE, Strategy.CUSTOM) or end <= first:
        return None
    return {"strategy": strategy.value, "from": first, "to": end, "undone": False}


def _compacted(kept: dict[int, JsonObject], compaction: Message) -> None:
    inside = [n for n in kept if compaction["from"] <= n < compaction["to"]]
    if compaction["strategy"] == Strategy.CLEAR_TOOL_RESULTS:
        for n in inside:
            kept[n] = _cleared(kept[n])
        return
    for n in inside:
        del kept[n]
    if compaction.get("summary") and inside:
        text = f"Summary of what happened before (messages {compaction['from']} to {compaction['to'] - 1}):\n"
        kept[inside[0]] = {"role": "user", "text": text + str(compaction["summary"])}


def _cleared(message: JsonObject) -> JsonObject:
    if message["role"] != "tool":
        return message
    return message | {"result": f"[cleared: {_characters(message):,} characters, kept in the run's state]"}


def _cut(message: Message) -> JsonObject:
    """Return the message as a plain object, its result no longer than a model should read at once."""
    found = dict(message)
    if message["role"] == "tool" and _characters(message) > MAX_RESULT_CHARACTERS:
        text = (
            found["result"]
            if isinstance(found["result"], str)
            else json.dumps(found["result"], ensure_ascii=False)
        )
        left = len(text) - MAX_RESULT_CHARACTERS
        found["result"] = f"{text[:MAX_RESULT_CHARACTERS]} [… and {left:,} more characters]"
    return found


def _characters(message: Message) -> int:
    if message["role"] == "tool":
        result = message["result"]
        return len(result) if isinstance(result, str) else len(json.dumps(result, ensure_ascii=False))
    calls = message.get("calls")
    return len(str(message.get("text", ""))) + (len(json.dumps(calls)) if calls else 0)


def _turns_from_end(messages: Sequence[Message], turns: int) -> int:
    answers = [n for n, message in enumerate(messages) if message["role"] == "assistant"]
    return answers[-turns] if 0 < turns <= len(answers) else (0 if turns else len(messages))


def _fitting_from_end(messages: Sequence[Message], first: int, keep_tokens: int) -> int:
    """Return where the last messages begin that fit together; the last answer and what followed it always stay."""
    last = max(
        (n for n, message in enumerate(messages) if message["role"] == "assistant"), default=len(messages)
    )
    n = last
    while n > first and estimate_tokens(messages[n - 1 :]) <= keep_tokens:
        n -= 1
    return n
