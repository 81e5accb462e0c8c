"""How the demo site behaves: its pace and its faults, the same again for the same seed (pure)."""

import random
import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

FAULTS = ("timeout", "429", "500", "hang", "malformed", "cut")


class BehaviourError(ValueError):
    """A behaviour that makes no sense; the message says what would."""


@dataclass(frozen=True, slots=True)
class Behaviour:
    """What may be asked of the site at `POST /_control`.

    `faults` gives each kind its share of the requests:
    timeout (no answer), 429 (with Retry-After), 500, hang (the answer stops midway and stays open),
    malformed (not HTTP), cut (closed in the middle). `error_rate` is the share answered by 503.
    """

    latency_ms: float = 30.0
    jitter_ms: float = 90.0
    error_rate: float = 0.0
    faults: Mapping[str, float] = field(default_factory=dict)
    hang_seconds: float = 30.0
    crawl_delay_seconds: float = 0.5
    seed: int = 0

    def __post_init__(self) -> None:
        unknown = set(self.faults) - set(FAULTS)
        if unknown:
            raise BehaviourError(
                f"unknown faults: {', '.join(sorted(unknown))}; known are {', '.join(FAULTS)}"
            )
        shares = [self.error_rate, *self.faults.values()]
        if any(share < 0 for share in shares) or sum(shares) > 1:
            raise BehaviourError(
                "error_rate and faults are shares of all requests: none below 0, together at most 1"
            )
        if min(self.latency_ms, self.jitter_ms, self.hang_seconds, self.crawl_delay_seconds) < 0:
            raise BehaviourError("times cannot be negative")

    @classmethod
    def from_json(cls, given: Any) -> "Behaviour":
        """Return the behaviour; what is not given has its default.

        Raises: BehaviourError for anything but an object with known keys and numbers.
        """
        names = [item.name for item in fields(cls)]
        if not isinstance(given, dict) or set(given) - set(names):
            raise BehaviourError(f"send a JSON object; its keys may be {', '.join(names)}")
        faults = given.get("faults", {})
        if not isinstance(faults, dict):
            raise BehaviourError('faults must be an object such as {"429": 0.1}')
        numbers = [value for key, value in given.items() if key != "faults"] + list(faults.values())
        if not all(isinstance(number, int | float) for number in numbers):
            raise BehaviourError("every value must be a number")
        return cls(**given)


@dataclass(frozen=True, slots=True)
class Fate:
    """What becomes of one request. `fault` is empty, one of FAULTS, or "503"; `chance` is left for its details."""

    delay_seconds: float
    fault: str
    chance: float


class Fortune:
    """Decides the fate of each request by (seed, path, how often that path was asked for before)."""

    def __init__(self, behaviour: Behaviour) -> None:
        self.behaviour = behaviour
        self._asked: Counter[str] = Counter()
        self._lock = threading.Lock()

    def fate(self, path: str) -> Fate:
        """Return what becomes of the next request for `path`."""
        with self._lock:
            self._asked[path] += 1
            number = self._asked[path]
        behaviour = self.behaviour
        dice = random.Random(f"{behaviour.seed} {path} {number}")  # noqa: S311 -- repeatable faults, no secrets
        delay = (behaviour.latency_ms + behaviour.jitter_ms * dice.random()) / 1000
        return Fate(delay, _pick(behaviour, dice.random()), dice.random())


def _pick(behaviour: Behaviour, chance: float) -> str:
    for fault, share in (("503", behaviour.error_rate), *sorted(behaviour.faults.items())):
        if chance < share:
            return fault
        chance -= share
    return ""
