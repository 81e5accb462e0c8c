"""What a node may return: where the run goes next, and what it adds to the state."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from runs.engine.errors import CommandError
from runs.engine.updates import Updates

MAX_WAIT_SECONDS = 100 * 365 * 86_400


class Command:
    """What a node returns."""

    __slots__ = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Advance(Command):
    """A command that carries declared updates (see Updates) and one line that people read in the tree."""

    set: Mapping[str, Any] | None = None
    merge: Mapping[str, Mapping[str, Any]] | None = None
    append: Mapping[str, Any] | None = None
    extend: Mapping[str, Iterable[Any]] | None = None
    remove: Iterable[str] = ()
    note: str = ""

    @property
    def updates(self) -> Updates:
        return Updates(self.set, self.merge, self.append, self.extend, self.remove)


@dataclass(frozen=True, slots=True)
class Goto(Advance):
    """Go on with `node`."""

    node: str


@dataclass(frozen=True, slots=True)
class Finish(Advance):
    """The run has succeeded with `output`."""

    output: Any = None


@dataclass(frozen=True, slots=True)
class Fail(Command):
    """The run has failed for a reason the agent understands; it is not tried again."""

    message: str
    code: str = "agent_failed"


@dataclass(frozen=True, slots=True)
class Sleep(Advance):
    """Go on with `node` after `seconds`; meanwhile the run is a row and costs no process."""

    node: str
    seconds: float

    def __post_init__(self) -> None:
        check_wait("Sleep", self.seconds)


def check_wait(what: str, seconds: object) -> None:
    """Accept a length of time that the database can add to its clock.

    Raises: CommandError
    """
    is_number = isinstance(seconds, int | float) and not isinstance(seconds, bool)
    if not is_number or not 0 <= seconds <= MAX_WAIT_SECONDS:  # type: ignore[operator]  # a number by then
        raise CommandError(
            f"{what} needs a number of seconds from 0 to {MAX_WAIT_SECONDS:,} (100 years), not {seconds!r}"
        )
