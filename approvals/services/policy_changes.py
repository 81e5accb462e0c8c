"""What every change of a team's rules does: counts its version up, in the same transaction, and tells the audit."""

from typing import Any
from uuid import UUID

from django.db.models import F

from agentops.accounts.roles import Actor
from agentops.audit.services.record import record
from agentops.common.transactions import transaction_required
from approvals.models import Policy


@transaction_required
def note_change(actor: Actor, action: str, subject: str, detail: Any) -> None:
    """Make workers read the rules anew. Locks: the team's policy row."""
    touch_policy(actor.team_id)
    record(actor=actor, action=action, subject=subject, detail=detail)


@transaction_required
def touch_policy(team_id: UUID) -> None:
    Policy.objects.bulk_create([Policy(team_id=team_id)], ignore_conflicts=True)
    Policy.objects.filter(team_id=team_id).update(version=F("version") + 1)
