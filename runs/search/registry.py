"""The keys and scopes of the search language for runs. Other parts of the product add theirs with `register_*`."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from django.utils.functional import Promise

from agentops.common.query import Filter, Value
from runs.search.sql import Condition

Words = str | Promise


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asks, when, and in which time zone days begin."""

    team_id: UUID
    name: str
    now: datetime
    zone: ZoneInfo


Build = Callable[[Filter, Asker], Condition]


@dataclass(frozen=True, slots=True)
class Key:
    """One key: how its filters become conditions, and what people are told about it.

    `choices` are all the values there are, empty when there is no list. `has` is the condition that a run has a
    value; `sort` the expression to sort by; both may be missing. `has_parts`: dots and names may follow it.
    """

    name: str
    says: Words
    example: str
    build: Build
    choices: tuple[str, ...] = ()
    has: str = ""
    sort: str = ""
    has_parts: bool = False


@dataclass(frozen=True, slots=True)
class ScopeKind:
    """Conditions on one and the same child of a run; `around` has a place `{}` for what must hold of it.

    `words` makes a condition of a bare word inside; None where each needs a key. `times` are the keys that take times.
    `is_rare`: an index finds the children.
    """

    name: str
    says: Words
    example: str
    around: str
    keys: dict[str, Key] = field(default_factory=dict)
    words: Callable[[Value], Condition] | None = None
    times: tuple[str, ...] = ()
    is_rare: bool = False


KEYS: dict[str, Key] = {}
SCOPES: dict[str, ScopeKind] = {}


def register_key(key: Key) -> Key:
    """Make the key known. Raises: ValueError when there is one of that name."""
    if KEYS.setdefault(key.name, key) is not key:
        raise ValueError(f"there is a key {key.name!r} already")
    return key


def register_scope(scope: ScopeKind) -> ScopeKind:
    """Make the scope known. Raises: ValueError when there is one of that name."""
    if SCOPES.setdefault(scope.name, scope) is not scope:
        raise ValueError(f"there is a scope {scope.name!r} already")
    return scope
