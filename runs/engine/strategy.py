"""What healing has set for the node that it tries again: longer time-outs, other tools, and the like."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from agentops.common.types import JsonObject


@dataclass(frozen=True, slots=True)
class Strategy:
    """What is different for a node on a branch that healing began. All empty: nothing is.

    `timeouts` and `swaps` are by tool. `cached` and `skipped` answer one request, by the hex of its hash: with the outcome
    of (run id, seq), or with a value. `model` is for whoever asks a model, `without` are tools that may not be called.
    `question` is what a person is asked before the node begins.
    """

    timeouts: Mapping[str, float] = field(default_factory=dict)
    swaps: Mapping[str, str] = field(default_factory=dict)
    cached: Mapping[str, Any] = field(default_factory=dict)
    skipped: Mapping[str, Any] = field(default_factory=dict)
    without: tuple[str, ...] = ()
    model: str = ""
    question: str = ""
    question_seconds: float = 0.0


PLAIN = Strategy()


def merged(sets: Iterable[JsonObject]) -> Strategy:
    """Return what a sequence of rungs comes to: each adds to those before it, and only the last may ask."""
    found: dict[str, Any] = {}
    for one in sets:
        found.pop("question", None)
        for key, value in one.items():
            if isinstance(value, dict):
                found[key] = {**found.get(key, {}), **value}
            elif isinstance(value, list):
                found[key] = tuple(dict.fromkeys([*found.get(key, ()), *value]))
            else:
                found[key] = value
    return Strategy(**found)
