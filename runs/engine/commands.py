"""What a node may return: where the run goes next, and what it adds to the state."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from runs.engine.updates import Updates


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """The declared updates that every command carries; see Updates."""

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
class Goto(Command):
    """Go on with `node`. `note` is one line that people read in the tree."""

    node: str


@dataclass(frozen=True, slots=True)
class Finish(Command):
    """The run has succeeded with `output`."""

    output: Any = None


@dataclass(frozen=True, slots=True)
class Fail(Command):
    """The run has failed for a reason the agent understands; it is not tried again."""

    message: str
    code: str = "agent_failed"


@dataclass(frozen=True, slots=True)
class Sleep(Command):
    """Go on with `node` after `seconds`; meanwhile the run is a row and costs no process."""

    node: str
    seconds: float
