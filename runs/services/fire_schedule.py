"""Fire a schedule by hand."""

from uuid import UUID

from django.db.models.functions import Now

from agentops.accounts.roles import Actor, Scope
from runs.engine.schedules import FireStatus
from runs.models import ScheduleFire
from runs.selectors.schedules import schedule_for
from runs.services.checks import MAX_KEY_CHARACTERS, check_text
from runs.services.settle_fire import settle_next


def fire_schedule(
    *, actor: Actor, schedule_id: UUID, idempotency_key: str | None = None
) -> tuple[ScheduleFire, bool]:
    """Return what came of firing the schedule now, and whether this call has fired it.

    The overlap rule holds for it as for any other time; a paused schedule may be fired too.

    Args:
        actor: needs the scope `run`.
        schedule_id: which.
        idempotency_key: a second call with this key finds the first one's.

    Raises: NotAllowedError; NotFoundError; InvalidInputError for a key that is too long.
    Locks: the schedule. Transaction: one for the row, then one for settling it.
    """
    actor.require(Scope.RUN)
    schedule = schedule_for(actor, schedule_id)
    if idempotency_key is not None:
        check_text("/idempotency_key", idempotency_key, MAX_KEY_CHARACTERS)
    row = ScheduleFire(
        schedule=schedule, team_id=actor.team_id, fired_by=actor.name[:200], idempotency_key=idempotency_key
    )
    fire = None
    while fire is None:  # another hand may have taken the same microsecond
        row.fire_at = Now()
        ScheduleFire.objects.bulk_create([row], ignore_conflicts=True)
        fire = _stored(row)
    is_new = fire.pk == row.pk
    while fire.status == FireStatus.DUE and settle_next(schedule_id, is_patient=True):
        fire.refresh_from_db()
    return fire, is_new


def _stored(row: ScheduleFire) -> ScheduleFire | None:
    """Return the row that stands now: this one, or the one that took its key before."""
    found = ScheduleFire.objects.filter(schedule=row.schedule)
    if row.idempotency_key is None:
        return found.filter(pk=row.pk).first()
    return found.filter(idempotency_key=row.idempotency_key).first()
