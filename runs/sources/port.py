"""What a reader of a source is: it touches one thing outside, and knows neither events nor runs."""

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from agentops.common.types import JsonObject, JsonValue

NETWORK_TIMEOUT_SECONDS = 20.0


class SourceError(Exception):
    """A place that cannot be read; the sentence says what to do."""


@dataclass(frozen=True, slots=True)
class Place:
    """A source as its reader sees it. `position` is what the reader gave out last; None before the first look.

    `unknown` returns those of some delivery ids that are no events yet.
    """

    team_id: UUID
    label: str
    settings: JsonObject
    secret: str
    position: JsonValue
    unknown: Callable[[Sequence[str]], set[str]]

    def text(self, name: str) -> str:
        return str(self.settings[name])


@dataclass(frozen=True, slots=True)
class Found:
    """Something that happened: `delivery_id` is the same whenever it is read again. `name` follows the source's own."""

    delivery_id: str
    name: str
    payload: JsonValue
    key: str = ""


@dataclass(frozen=True, slots=True)
class Batch:
    """What was found, in order, and the position once all of it is stored."""

    found: Sequence[Found]
    position: JsonValue


Reading = Generator[Batch, None, None]


class Reader(Protocol):
    """Yields what is there after the position, in batches; the next one is asked for once the last was stored.

    A reader whose process dies begins again at the last stored position: what it then yields once more is known by its
    delivery id.

    Raises: SourceError
    """

    def __call__(self, place: Place) -> Reading: ...
