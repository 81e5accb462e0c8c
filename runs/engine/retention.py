"""How long runs are kept: which policy counts for a run, and what is due for it when (pure).

A policy is for all agents or one, for every end or one. The most particular one counts alone, whole: that of the agent
and the status, then of the agent, then of the status, then of all.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from runs.engine.states import TERMINAL

MAX_DAYS = 36_500
ENDS = tuple(sorted(status.value for status in TERMINAL))


class HoldKind(StrEnum):
    PIN = "pin"
    LEGAL = "legal"
    RESTORED = "restored"


class JobState(StrEnum):
    WORKING = "working"
    DONE = "done"
    STOPPED = "stopped"
    FAILED = "failed"


class Act(StrEnum):
    """What becomes of a run."""

    ARCHIVE = "archive"
    DELETE = "delete"
    PRUNE = "prune"


@dataclass(frozen=True, slots=True)
class Rule:
    """A policy: whose runs (`agent_id` None: of all agents; `status` empty: however they ended), and after how many days.

    None is never. `keeps_files`: a run is not deleted before it has an archive, and that one stays.
    """

    id: UUID
    agent_id: UUID | None = None
    status: str = ""
    archive_days: int | None = None
    delete_days: int | None = None
    prune_days: int | None = None
    keeps_files: bool = False
    is_on: bool = True


@dataclass(frozen=True, slots=True)
class Due:
    """That `act` is due for the runs of an agent that ended in a status, so and so many days after their end.

    It is for whole runs, or for archived ones; `before_days` is when something else takes its place.
    """

    rule: Rule
    agent_id: UUID
    status: str
    is_archived: bool
    act: Act
    after_days: int
    before_days: int | None = None


def rule_for(rules: Iterable[Rule], agent_id: UUID, status: str) -> Rule | None:
    """Return the policy that counts for the runs of an agent that ended in a status, also one that is off."""
    fitting = [rule for rule in rules if rule.agent_id in (None, agent_id) and rule.status in ("", status)]
    return max(fitting, key=lambda rule: (rule.agent_id is not None, rule.status != ""), default=None)


def dues(rules: Sequence[Rule], agent_ids: Iterable[UUID], statuses: Iterable[str] = ENDS) -> Iterator[Due]:
    """Yield what is due for runs that have ended; at any age at most one act for a run."""
    ends = tuple(statuses)
    for agent_id in agent_ids:
        for status in ends:
            rule = rule_for(rules, agent_id, status)
            if rule is not None and rule.is_on:
                yield from _of_rule(rule, agent_id, status)


def act_due(due: Iterable[Due], *, is_archived: bool, age_days: float) -> Act | None:
    """Return what is due of these, all of one agent and status, for a run that ended so long ago."""
    for one in due:
        is_before = one.before_days is None or age_days < one.before_days
        if one.is_archived == is_archived and age_days >= one.after_days and is_before:
            return one.act
    return None


def prune_days(rules: Sequence[Rule], agent_id: UUID, status: str) -> int | None:
    """Return after how many days the steps of a run are cut off; of an open run by policies for every end alone."""
    rule = rule_for(rules, agent_id, status)
    return rule.prune_days if rule is not None and rule.is_on else None


def misfits(
    archive_days: int | None, delete_days: int | None, prune_after_days: int | None, *, keeps_files: bool
) -> dict[str, str]:
    """Return what is wrong with the days of a policy, by field; empty when nothing is."""
    days = {"archive_days": archive_days, "delete_days": delete_days, "prune_days": prune_after_days}
    wrong = {
        name: f"must be from 1 to {MAX_DAYS:,} days, or nothing for never"
        for name, value in days.items()
        if value is not None and not 1 <= value <= MAX_DAYS
    }
    if not wrong and archive_days is not None and delete_days is not None and delete_days <= archive_days:
        wrong["delete_days"] = f"must be more than the {archive_days:,} days after which a run is archived"
    if not wrong and keeps_files and (archive_days is None or delete_days is None):
        wrong["keeps_files"] = (
            "says that the archives of deleted runs stay, so runs must be archived and deleted"
        )
    return wrong


def _of_rule(rule: Rule, agent_id: UUID, status: str) -> Iterator[Due]:
    place = (rule, agent_id, status)
    if rule.archive_days is not None:
        before_days = None if rule.keeps_files else rule.delete_days
        yield Due(
            *place, is_archived=False, act=Act.ARCHIVE, after_days=rule.archive_days, before_days=before_days
        )
    if rule.delete_days is not None:
        if not rule.keeps_files:
            yield Due(*place, is_archived=False, act=Act.DELETE, after_days=rule.delete_days)
        yield Due(*place, is_archived=True, act=Act.DELETE, after_days=rule.delete_days)
