"""The desk: where what runs ask of people is taken up by whoever plugs in. `runs` knows nobody who does.

A plug-in is told in the transaction that opens or closes a question, judges each write before it begins, and may take
a person's answer into its own hands. It finds from the rows themselves what it was never told: a hint may be lost.
Source: DESIGN 11; ADR 0018.
"""

from dataclasses import dataclass
from typing import Any, Protocol
from uuid import UUID

from agentops.accounts.roles import Actor
from agentops.common.types import JsonObject
from runs.engine.reuse import Act
from runs.engine.tools import ToolSpec


@dataclass(frozen=True, slots=True)
class Proposal:
    """A write that a run is about to make. `attempts` were made before."""

    run_id: UUID
    team_id: UUID
    seq: int
    tool: ToolSpec
    args: JsonObject
    attempts: int


@dataclass(frozen=True, slots=True)
class Judgement:
    """What becomes of a proposal: it is made (`PERFORM`), asked about (`ASK`) or refused (`DENY`), and why (`text`).

    It is made with `args` where people changed them, and uses up the permission `grant` as it begins. `note` goes into the run's log.
    """

    act: Act = Act.PERFORM
    text: str = ""
    args: JsonObject | None = None
    grant: UUID | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a person says to the question of a step: approve, edit, reject or respond."""

    actor: Actor
    run_id: UUID
    seq: int
    type: str
    args: Any = None
    answer: Any = None
    message: str = ""


class GrantGoneError(Exception):
    """The permission was used, revoked or ran out between the judgement and the write; nothing was begun."""


class Desk(Protocol):
    """What a plug-in does for runs."""

    def opened(self, run_id: UUID, seq: int) -> None:
        """Take up the question of the step. Called in the transaction that lets the run wait for it."""

    def closed(self, run_id: UUID, seq: int) -> None:
        """Note that nobody is asked any more. Called in the transaction that ends it, under the lock of the run."""

    def judge(self, proposal: Proposal) -> Judgement:
        """Return what becomes of a write; asked each time before it is begun."""

    def use(self, grant: UUID, seq: int) -> None:
        """Use up a permission. Called in the transaction that writes the intent.

        Raises: GrantGoneError
        """

    def take(self, answer: Answer) -> bool:
        """Return whether the answer was taken here, by the plug-in's own rules; else it goes straight to the run.

        Raises: AgentOpsError as the plug-in sees fit.
        """


class _Nobody:
    """Nobody has plugged in: every write is made, every answer goes to the run."""

    def opened(self, run_id: UUID, seq: int) -> None: ...

    def closed(self, run_id: UUID, seq: int) -> None: ...

    def judge(self, proposal: Proposal) -> Judgement:
        return Judgement()

    def use(self, grant: UUID, seq: int) -> None: ...

    def take(self, answer: Answer) -> bool:
        return False


_plugged: list[Desk] = [_Nobody()]


def plug_in(desk: Desk) -> None:
    """Let `desk` do what a desk does, in place of whoever did; called from AppConfig.ready."""
    _plugged[:] = [desk]


def the_desk() -> Desk:
    return _plugged[0]
