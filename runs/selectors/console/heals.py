"""Rungs of recovery policies that were taken, by the steps they are about."""

from collections.abc import Collection

from django.db.models import Q, QuerySet

from agentops.accounts.roles import Actor
from runs.models import Branch, Run


def heals_at(actor: Actor, run: Run, seqs: Collection[int]) -> dict[int, Branch]:
    """Return the branches that healing began with one of these nodes, by node. A run that never went back costs no query."""
    if run.branch == 1 or not seqs:
        return {}
    found = _heals(actor, run).filter(first_seq__in=seqs)
    return {branch.first_seq: branch for branch in found}


def heals_around(actor: Actor, run: Run, seq: int) -> list[Branch]:
    """Return the rung by which a node was begun, and the one that was taken when it had failed."""
    if run.branch == 1:
        return []
    return list(_heals(actor, run).filter(Q(first_seq=seq) | Q(left_node_seq=seq)).order_by("number"))


def _heals(actor: Actor, run: Run) -> QuerySet[Branch]:
    return Branch.objects.filter(team_id=actor.team_id, run_id=run.pk, cause="heal")
