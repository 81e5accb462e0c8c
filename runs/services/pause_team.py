"""Pause a team whole."""

from agentops.accounts.models import Team
from agentops.accounts.roles import Actor, Scope
from runs.selectors.holdups import team_for
from runs.services.switches import switch_on


def pause_team(*, actor: Actor, reason: str = "") -> Team:
    """Return the actor's team, of which no run is claimed any more; what is executed now stops at the end of its slice.

    Runs may still be started: they are queued. Pausing a paused team changes nothing.

    Raises: NotAllowedError without the scope `admin`; InvalidInputError for a reason that is too long.
    Transaction: opens one, of one conditional statement.
    """
    actor.require(Scope.ADMIN)
    switch_on(
        Team.objects.filter(pk=actor.team_id), actor=actor, subject=f"team:{actor.team_id}", reason=reason
    )
    return team_for(actor)
