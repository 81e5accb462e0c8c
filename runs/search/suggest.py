"""What somebody may be about to type at a place of a query (pure): keys, or values of the key that stands there."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from agentops.common.query.words import is_plain_value, quote
from runs.search import contents, keys, steps, stuck  # noqa: F401 -- they make their keys known
from runs.search.registry import KEYS, SCOPES, Key, Words

MAX_OPTIONS = 10
OBSERVED = ("agent", "tag", "node", "queue", "batch", "user", "error")
TIMES = ("-1h", "-1d", "-7d", "today", "yesterday", "this-week")
TIME_KEYS = ("created", "started", "ended", "active")

_TERM = re.compile(r"(?:[^\s\"()]|\"(?:[^\"\\]|\\.)*\"?)*\Z", re.DOTALL)
_FILTER = re.compile(r"([A-Za-z_]+):(>=|<=|[><=])?(.*)", re.DOTALL)
_SCOPE = re.compile(r"([A-Za-z_]+)\([^()]*\Z")


@dataclass(frozen=True, slots=True)
class Spot:
    """The part of a query that is being typed: `text[start:end]`. `key` is empty while no key stands there."""

    start: int
    end: int
    typed: str
    key: str = ""
    scope: str = ""

    @property
    def known(self) -> dict[str, Key]:
        """The keys that may stand here."""
        return SCOPES[self.scope].keys if self.scope in SCOPES else KEYS

    @property
    def is_time(self) -> bool:
        """Whether the key that stands here takes times."""
        return self.key in (SCOPES[self.scope].times if self.scope in SCOPES else TIME_KEYS)


@dataclass(frozen=True, slots=True)
class Option:
    """What may be put into the spot; `note` says what it means or how many runs have it."""

    text: str
    note: Words = ""
    is_key: bool = False


def spot_at(text: str, at: int) -> Spot:
    """Return what is being typed where the cursor stands."""
    before = text[: max(0, min(at, len(text)))]
    found = _TERM.search(before)
    term = found[0] if found else ""
    start = len(before) - len(term)
    scope = _SCOPE.search(before[:start])
    bare = term.lstrip("-!")
    start += len(term) - len(bare)
    filtered = _FILTER.fullmatch(bare)
    name = scope[1] if scope else ""
    if filtered is None:
        return Spot(start, len(before), bare, scope=name)
    last = filtered[3].rpartition(",")[2]
    return Spot(len(before) - len(last), len(before), last.lstrip('"'), filtered[1], name)


def options_at(spot: Spot, observed: Iterable[tuple[str, int]] = ()) -> list[Option]:
    """Return what fits; `observed` are values of the key that runs have, and how many."""
    if not spot.key:
        return _fitting(spot, _keys(spot))[:MAX_OPTIONS]
    known = spot.known.get(spot.key)
    if known and known.choices:
        options = [Option(choice) for choice in known.choices]
    elif spot.is_time:
        options = [Option(when) for when in TIMES]
    elif spot.key in ("has", "no"):
        options = [Option(key.name, key.says) for key in KEYS.values() if key.has]
    elif spot.key == "sort":
        options = [Option(f"-{key.name}", key.says) for key in KEYS.values() if key.sort]
    else:
        options = [Option(_quoted(value), f"{count:,}") for value, count in observed]
    return _fitting(spot, options)[:MAX_OPTIONS]


def _keys(spot: Spot) -> Iterable[Option]:
    for key in spot.known.values():
        yield Option(f"{key.name}:", key.says, is_key=True)
    if not spot.scope:
        for scope in SCOPES.values():
            yield Option(f"{scope.name}(", scope.says, is_key=True)


def _fitting(spot: Spot, options: Iterable[Option]) -> list[Option]:
    typed = spot.typed.lower()
    begins = [option for option in options if option.text.lower().lstrip('"-').startswith(typed.lstrip("-"))]
    return [option for option in begins if option.text != spot.typed]


def _quoted(value: str) -> str:
    return value if is_plain_value(value) and "*" not in value else quote(value)
