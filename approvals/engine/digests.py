"""What a decision is about, as one number, and how two sets of arguments differ (pure)."""

from typing import Any

from agentops.common.canonical import digest
from agentops.common.types import JsonObject, JsonValue

MAX_SHOWN = 60


def tool_digest(name: str, version: str, effect: str, schema: JsonObject) -> str:
    """Return the identity of a tool: another version, effect or shape is another tool."""
    return digest([name, version, effect, schema]).hex()


def args_digest(*, run_id: str, seq: int, action: str, tool: str, args: JsonValue) -> str:
    """Return what a decision must name: this run, step, tool and these very arguments."""
    return digest([run_id, seq, action, tool, args]).hex()


def signature(*, agent: str, action: str, kind: str, args: Any) -> str:
    """Return what requests of one sort have in common: the agent, the action and which arguments it has."""
    names: list[JsonValue] = sorted(args) if isinstance(args, dict) else []
    return digest([agent, action, kind, names]).hex()[:32]


def changes(before: JsonValue, after: JsonValue) -> list[dict[str, Any]]:
    """Return the top-level members that differ, each with `name`, `before` and `after` (absent: no such key)."""
    old, new = (value if isinstance(value, dict) else {"": value} for value in (before, after))
    names = [*old, *(name for name in new if name not in old)]
    return [
        {
            "name": name,
            **({"before": old[name]} if name in old else {}),
            **({"after": new[name]} if name in new else {}),
        }
        for name in names
        if name not in old or name not in new or digest(old[name]) != digest(new[name])
    ]


def summary(action: str, args: JsonValue, *, limit: int = 200) -> str:
    """Return what would be done, in one line, from the real arguments; of a long text only how long it is."""
    if not isinstance(args, dict) or not args:
        return action[:limit]
    told = ", ".join(f"{name} {_short(value)}" for name, value in args.items())
    line = f"{action}: {told}"
    return line if len(line) <= limit else line[: limit - 1] + "…"


def _short(value: JsonValue) -> str:
    if isinstance(value, str):
        text = " ".join(value.split())
        return text if len(text) <= MAX_SHOWN else f"of {len(value):,} characters"
    if isinstance(value, dict | list):
        return f"{len(value)} {'members' if isinstance(value, dict) else 'items'}"
    return "–" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
