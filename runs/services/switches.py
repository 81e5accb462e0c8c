"""What the switches of agents and of teams have in common: while one is on, no run behind it is claimed."""

from collections.abc import Iterable
from typing import Any

from django.db.models import QuerySet
from django.db.models.functions import Now

from agentops.accounts.roles import Actor
from agentops.audit.services.record import record
from agentops.common.canonical import clean_json
from agentops.common.transactions import after_commit, transaction
from runs import dispatch
from runs.services.checks import misfit

MAX_REASON_CHARACTERS = 1000


def switch_on(rows: QuerySet[Any], *, actor: Actor, subject: str, reason: str) -> None:
    """Pause the rows that are not paused; those that are keep who paused them first, and why.

    Raises: InvalidInputError for a reason that is too long. Transaction: opens one, of one conditional statement.
    """
    if len(reason) > MAX_REASON_CHARACTERS:
        raise misfit("/reason", f"at most {MAX_REASON_CHARACTERS:,} characters, it has {len(reason):,}")
    why = str(clean_json(reason)).strip()
    columns: dict[str, Any] = {"paused_by": actor.name[:200], "pause_reason": why, "paused_at": Now()}
    with transaction():
        if rows.filter(is_paused=False).update(is_paused=True, **columns):
            record(actor=actor, action=f"{_kind(subject)}.pause", subject=subject, detail={"reason": why})


def switch_off(rows: QuerySet[Any], *, actor: Actor, subject: str, queues: Iterable[str]) -> None:
    """Let the rows go on, and tell workers of these queues. Transaction: opens one, of one conditional statement."""
    columns: dict[str, Any] = {"paused_by": "", "pause_reason": "", "paused_at": None}
    with transaction():
        if rows.filter(is_paused=True).update(is_paused=False, **columns):
            record(actor=actor, action=f"{_kind(subject)}.resume", subject=subject)
            poke_after_commit(queues)


def poke_after_commit(queues: Iterable[str]) -> None:
    """Hint that runs which were held back in these queues may be claimed; the clock finds those of others."""
    names = sorted(set(queues))

    def poke_all() -> None:
        for name in names:
            dispatch.poke(name)

    after_commit(poke_all)


def _kind(subject: str) -> str:
    return subject.partition(":")[0]
