"""Make a schedule."""

from agentops.accounts.roles import Actor, Scope
from runs.models import Schedule
from runs.selectors.schedules import schedule_for
from runs.services.schedule_columns import ScheduleSpec, columns_of


def create_schedule(*, actor: Actor, agent: str, spec: ScheduleSpec) -> Schedule:
    """Return a new schedule, whose first time is the next one from now.

    Args:
        actor: whose team's; needs the scope `run`.
        agent: slug of an agent of the team.
        spec: `cron` has five fields or is a nickname such as @daily, read in `time_zone` (an IANA name). `input` must
            fit the schema of `agent_version`, or of the version that is published at each time. `fire_at_property`
            names a property of the input that gets the time. `missed` and `overlap` are rules of
            runs.engine.schedules; `title`, `tags` and `priority` go to each run.

    Raises: NotAllowedError; NotFoundError; InvalidInputError with pointers; TooLargeError.
    """
    actor.require(Scope.RUN)
    who = actor.name[:200]
    made = Schedule.objects.create(
        team_id=actor.team_id, created_by=who, updated_by=who, **columns_of(actor, agent, spec)
    )
    return schedule_for(actor, made.id)
