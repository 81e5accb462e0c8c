"""Choose what one is told of, and when not."""

from collections.abc import Mapping, Sequence

from agentops.accounts.models import Membership
from agentops.accounts.roles import Actor, Scope
from agentops.common.errors import NotAllowedError
from agentops.notify.models import Preference
from agentops.notify.topics import MINUTES_OF_DAY, PERSONAL, Topic
from runs.services.checks import misfit


def set_preference(
    *, actor: Actor, channels: Mapping[str, Sequence[str]], quiet_from_minute: int, quiet_until_minute: int
) -> Preference:
    """Return what the person is told of in the team from now on: every topic has its channels, perhaps none.

    Raises: NotAllowedError for who is no person of the team; InvalidInputError.
    """
    actor.require(Scope.READ)
    member = Membership.objects.filter(team_id=actor.team_id, user_id__in=[actor.user_id]).first()
    if member is None:
        raise NotAllowedError("only members of the team have notifications of it")
    known = {channel.value for channel in PERSONAL}
    if set(channels) - set(Topic) or any(set(chosen) - known for chosen in channels.values()):
        raise misfit("/channels", f"topics are {', '.join(Topic)}; channels are {', '.join(sorted(known))}")
    minutes = (quiet_from_minute, quiet_until_minute)
    if not all(0 <= minute < MINUTES_OF_DAY for minute in minutes):
        raise misfit("/quiet", "times of a day")
    row, _ = Preference.objects.update_or_create(
        team_id=member.team_id, user_id=member.user_id,
        defaults={
            "channels": {topic.value: sorted(set(channels.get(topic.value, ()))) for topic in Topic},
            "quiet_from_minute": quiet_from_minute, "quiet_until_minute": quiet_until_minute,
        },
    )  # fmt: skip
    return row
