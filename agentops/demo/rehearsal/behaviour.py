"""How the rehearsal model behaves: its pace, its limits and its faults, the same again for the same seed (pure)."""

import random
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

FAULTS = ("429", "429_bare", "500", "503", "timeout", "hang", "malformed", "cut", "bad_call", "401")


class BehaviourError(ValueError):
    """A behaviour that makes no sense; the message says what would."""


@dataclass(frozen=True, slots=True)
class Behaviour:
    """What may be asked of the server at `POST /_control`.

    `faults` gives each kind its share of the requests, `next` lists faults that the coming requests meet one by one
    ("" for none): 429 (with Retry-After) and 429_bare (without), 500, 503, timeout (no answer), hang (the answer stops
    midway and stays open), malformed (no JSON), cut (closed in the middle), bad_call (a tool call whose arguments are no
    JSON), 401. `rpm` and `tpm` are limits that the server keeps to over any 60 seconds, 0 for none; `is_shy` leaves out
    the headers that tell of them.
    """

    latency_ms: float = 200.0
    jitter_ms: float = 0.0
    words_per_second: float = 0.0
    faults: Mapping[str, float] = field(default_factory=dict)
    next: tuple[str, ...] = ()
    retry_after_seconds: float = 1.0
    hang_seconds: float = 30.0
    rpm: int = 0
    tpm: int = 0
    is_shy: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        unknown = {*self.faults, *self.next} - {*FAULTS, ""}
        if unknown:
            raise BehaviourError(
                f"unknown faults: {', '.join(sorted(unknown))}; known are {', '.join(FAULTS)}"
            )
        if any(share < 0 for share in self.faults.values()) or sum(self.faults.values()) > 1:
            raise BehaviourError("faults are shares of all requests: none below 0, together at most 1")
        numbers = (
            self.latency_ms,
            self.jitter_ms,
            self.words_per_second,
            self.hang_seconds,
            self.rpm,
            self.tpm,
        )
        if min(*numbers, self.retry_after_seconds) < 0:
            raise BehaviourError("times and limits cannot be negative")

    @classmethod
    def from_json(cls, given: Any) -> "Behaviour":
        """Return the behaviour; what is not given has its default.

        Raises: BehaviourError for anything but an object with known keys and fitting values.
        """
        names = [item.name for item in fields(cls)]
        if not isinstance(given, dict) or set(given) - set(names):
            raise BehaviourError(f"send a JSON object; its keys may be {', '.join(names)}")
        faults, following = given.get("faults", {}), given.get("next", [])
        if not isinstance(faults, dict) or not isinstance(following, list):
            raise BehaviourError('faults is an object such as {"429": 0.1}, next a list such as ["503"]')
        numbers = [given[name] for name in given if name not in ("faults", "next")] + list(faults.values())
        if not all(isinstance(number, int | float) for number in numbers):
            raise BehaviourError("every other value must be a number")
        if not all(isinstance(kind, str) for kind in following):
            raise BehaviourError("next lists names of faults")
        return replace(cls(), **{**given, "next": tuple(following)})


@dataclass(frozen=True, slots=True)
class Fate:
    """What becomes of one request; `fault` is empty or one of FAULTS."""

    delay_seconds: float
    fault: str


class Fortune:
    """Decides the fate of each request: first what `next` says, then by (seed, request, how often it came before)."""

    def __init__(self, behaviour: Behaviour) -> None:
        self.behaviour = behaviour
        self._following = list(behaviour.next)
        self._asked: Counter[str] = Counter()

    def fate(self, request: str) -> Fate:
        """Return what becomes of the request; not for two threads at once."""
        chance = random.Random(f"{self.behaviour.seed} {request} {self._asked[request]}")  # noqa: S311 -- no secret
        self._asked[request] += 1
        delay_seconds = (self.behaviour.latency_ms + self.behaviour.jitter_ms * chance.random()) / 1000
        if self._following:
            return Fate(delay_seconds, self._following.pop(0))
        return Fate(delay_seconds, self._drawn(chance.random()))

    def _drawn(self, share: float) -> str:
        for fault, part in self.behaviour.faults.items():
            if share < part:
                return fault
            share -= part
        return ""
