from zoneinfo import ZoneInfo

from agentops.accounts.models import User
from agentops.accounts.roles import Actor
from agentops.common.transactions import transaction


def set_time_zone(*, actor: Actor, zone: ZoneInfo) -> None:
    """Show the person times in this zone from now on. Transaction: opens one."""
    with transaction():
        User.objects.filter(pk__in=[actor.user_id]).update(time_zone=zone.key)
