"""Who must decide: stages, one after the other, and what the votes cast so far come to (pure)."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

QUANTIFIERS = ("any", "all", "k_of_n")
MAX_STAGES = 5
# The seat of who has no account: a program of the server itself.
NOBODY = 0


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage: `any` one, `all`, or `k` of the members of `queue` (empty: of everybody in the team who may review).

    Whoever started the run has no vote where `excludes_initiator`; API tokens have none where `people_only`.
    """

    quantifier: str = "any"
    k: int = 1
    queue: str = ""
    name: str = ""
    excludes_initiator: bool = True
    people_only: bool = True

    def needed(self, n_seats: int) -> int:
        """Return how many must approve, of `n_seats` who may."""
        return {"any": 1, "all": max(n_seats, 1), "k_of_n": self.k}[self.quantifier]

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


ANYBODY = Stage()
# Where the agent itself asks, and no rule does: the person who started the run may answer, from a program too.
OPEN = Stage(excludes_initiator=False, people_only=False)


def stages_of(rows: Iterable[Mapping[str, Any]]) -> tuple[Stage, ...]:
    return tuple(Stage(**row) for row in rows)


def weight(stages: Sequence[Stage]) -> int:
    """Return how much is asked for: more approvals weigh more, then fewer people who may give them."""
    needed = sum(1000 if stage.quantifier == "all" else stage.k * 10 for stage in stages)
    return needed + sum(stage.excludes_initiator + stage.people_only + bool(stage.queue) for stage in stages)


@dataclass(frozen=True, slots=True)
class Person:
    """Who wants to decide. `is_program`: through an API token."""

    user_id: int | None
    is_program: bool = False


@dataclass(frozen=True, slots=True)
class Room:
    """The people of a stage as they are now.

    `seats`: who may vote there. `stand_ins`: user → for whom they may vote. `voted`: whose votes of approval are in, as (voter, seat).
    """

    seats: frozenset[int]
    initiator_id: int | None = None
    stand_ins: Mapping[int, frozenset[int]] = field(default_factory=dict)
    voted: frozenset[tuple[int, int]] = frozenset()
    voted_earlier: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Standing:
    """Whether a person may decide, for whose seat, and if not, why."""

    seat: int | None = None
    why_not: str = ""

    @property
    def may(self) -> bool:
        return not self.why_not


def open_seats(stage: Stage, room: Room) -> frozenset[int]:
    """Return the seats whose votes count."""
    barred = {room.initiator_id} if stage.excludes_initiator else set()
    return room.seats - barred


def standing(stage: Stage, room: Room, person: Person) -> Standing:
    """Return whether the person may decide at the stage: once, and never twice over two stages."""
    why_not = _barred(stage, room, person)
    if why_not:
        return Standing(why_not=why_not)
    me = person.user_id or NOBODY
    seats = open_seats(stage, room) - {seat for _, seat in room.voted}
    own = [me] if me in seats else sorted(seats & room.stand_ins.get(me, frozenset()))
    if own:
        return Standing(own[0])
    who = f"the queue {stage.queue!r}" if stage.queue else "the team who may review"
    return Standing(why_not=f"only people of {who} decide this")


def _barred(stage: Stage, room: Room, person: Person) -> str:
    if person.is_program and stage.people_only:
        return "a person must decide this, signed in: API tokens cannot"
    if stage.excludes_initiator and person.user_id is not None and person.user_id == room.initiator_id:
        return "you started this run, so others decide what it may do"
    if person.user_id in {voter for voter, _ in room.voted}:
        return "you have approved it already; it waits for others"
    if person.user_id in room.voted_earlier:
        return "you approved it at an earlier stage; others decide now"
    return ""


def is_met(stage: Stage, room: Room) -> bool:
    """Return whether enough distinct people have approved, for distinct seats."""
    seats = open_seats(stage, room)
    voters = {voter for voter, seat in room.voted if seat in seats}
    filled = {seat for _, seat in room.voted if seat in seats}
    return min(len(voters), len(filled)) >= stage.needed(len(seats))


def can_be_met(stage: Stage, room: Room) -> bool:
    """Return whether there are enough people at all."""
    return len(open_seats(stage, room)) >= stage.needed(len(open_seats(stage, room)))
