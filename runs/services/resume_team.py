"""Let a paused team go on."""

from agentops.accounts.models import Team
from agentops.accounts.roles import Actor, Scope
from runs.models import Agent
from runs.selectors.holdups import team_for
from runs.services.switches import switch_off


def resume_team(*, actor: Actor) -> Team:
    """Return the actor's team, whose queued runs are claimed again; agents that are paused by themselves stay so.

    Raises: NotAllowedError without the scope `admin`.
    Transaction: opens one, of one conditional statement.
    """
    actor.require(Scope.ADMIN)
    queues = Agent.objects.filter(team_id=actor.team_id).values_list("queue", flat=True)
    switch_off(
        Team.objects.filter(pk=actor.team_id), actor=actor, subject=f"team:{actor.team_id}", queues=queues
    )
    return team_for(actor)
