"""When a goal counts as reached: checks that code makes, not the model (pure).

A check is an object with `kind`, and `text` that says in words what is asked for:

| kind | passes when |
|---|---|
| `contains` | the output, as text, contains `value`, upper or lower case |
| `matches_key` | the output is an object whose `key` is there and not empty |
| `tool_succeeded` | the tool `tool` was called without an error, at least `times` (1) |
| `min_characters` | the output, as text, has at least `value` characters |
"""

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

KINDS = ("contains", "matches_key", "tool_succeeded", "min_characters")


def unmet(
    checks: Sequence[Mapping[str, Any]], output: Any, messages: Sequence[Mapping[str, Any]]
) -> list[str]:
    """Return, for each check that does not pass, what is asked for; empty when the goal is reached."""
    succeeded = Counter(
        message["tool"] for message in messages if message["role"] == "tool" and not message["is_error"]
    )
    return [_words(check) for check in checks if not _passes(check, output, succeeded)]


def _passes(check: Mapping[str, Any], output: Any, succeeded: Counter[str]) -> bool:
    text = output if isinstance(output, str) else json.dumps(output, ensure_ascii=False)
    passes: dict[str, Callable[[], bool]] = {
        "contains": lambda: str(check["value"]).lower() in text.lower(),
        "matches_key": lambda: isinstance(output, dict) and bool(output.get(str(check["key"]))),
        "tool_succeeded": lambda: succeeded[str(check["tool"])] >= int(check.get("times", 1)),
        "min_characters": lambda: len(text) >= int(check["value"]),
    }
    judge = passes.get(str(check.get("kind")))
    try:
        return judge is not None and judge()
    except (KeyError, TypeError, ValueError):
        return False


def _words(check: Mapping[str, Any]) -> str:
    if check.get("text"):
        return str(check["text"])
    told = ", ".join(f"{key} {value}" for key, value in check.items() if key != "kind")
    return f"{check.get('kind', 'an unknown check')}: {told}"
