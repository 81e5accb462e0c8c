"""Make a schedule."""

from dataclasses import asdict

from agentops.accounts.roles import Actor, Scope
from agentops.audit.services.record import record
from agentops.common.canonical import digest
from agentops.common.errors import IdempotencyConflictError
from agentops.common.transactions import transaction
from runs.models import Agent, Schedule
from runs.selectors.schedules import schedule_for
from runs.services.checks import MAX_KEY_CHARACTERS, check_text, cleaned
from runs.services.schedule_columns import ScheduleSpec, columns_of


def create_schedule(
    *, actor: Actor, agent: str, spec: ScheduleSpec, idempotency_key: str | None = None, defined_by: Agent | None = None
) -> tuple[Schedule, bool]:  # fmt: skip
    """Return a schedule whose first time is the next one from now, and whether this call has made it.

    Args:
        actor: whose team's; needs the scope `run`.
        agent: slug of an agent of the team.
        spec: `cron` has five fields or is a nickname such as @daily, read in `time_zone` (an IANA name). `input` must
            fit the schema of `agent_version`, or of the version that is published at each time. `fire_at_property`
            names a property of the input that gets the time. `missed` and `overlap` are rules of
            runs.engine.schedules; `title`, `tags` and `priority` go to each run.
        idempotency_key: a second call with this key of the team returns the first one's schedule.
        defined_by: the agent whose definition says so.

    Raises: NotAllowedError; NotFoundError; InvalidInputError with pointers; TooLargeError; IdempotencyConflictError
        when the key was used with another request.
    """
    actor.require(Scope.RUN)
    columns = columns_of(actor, agent, spec)
    who = actor.name[:200]
    row = Schedule(
        team_id=actor.team_id, created_by=who, updated_by=who, idempotency_key=idempotency_key,
        request_hash=_hash(agent, spec), defined_by=defined_by, **columns,
    )  # fmt: skip
    if idempotency_key is None:
        with transaction():
            row.save(force_insert=True)
            _tell(actor, row)
        return schedule_for(actor, row.id), True
    check_text("/idempotency_key", idempotency_key, MAX_KEY_CHARACTERS)
    with transaction():
        Schedule.objects.bulk_create([row], ignore_conflicts=True)
        stored = Schedule.objects.get(team_id=actor.team_id, idempotency_key=idempotency_key)
        if stored.id == row.id:
            _tell(actor, row)
    if bytes(stored.request_hash or b"") != row.request_hash:
        raise IdempotencyConflictError(
            f"the idempotency key {idempotency_key!r} already made schedule {stored.id} with another request; "
            "send the same request again, or another key",
            schedule_id=str(stored.id),
        )
    return schedule_for(actor, stored.id), stored.id == row.id


def _tell(actor: Actor, schedule: Schedule) -> None:
    told = {"title": schedule.title, "cron": schedule.cron, "time_zone": schedule.time_zone}
    record(actor=actor, action="schedule.create", subject=f"schedule:{schedule.id}", detail={**told})


def _hash(agent: str, spec: ScheduleSpec) -> bytes:
    request = asdict(spec) | {"agent": agent, "tags": list(spec.tags)}
    return digest(cleaned(request, what="the request"))
