"""What people are told of, over which channels, and when they are left in peace (pure)."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

MINUTES_OF_DAY = 1440


class Topic(StrEnum):
    APPROVAL = "approval"
    SLA = "sla"
    RUN_ENDED = "run_ended"
    STUCK = "stuck"
    BUDGET = "budget"


class Channel(StrEnum):
    """`app` is the bell; it is delivered by being there."""

    APP = "app"
    MAIL = "mail"
    SLACK = "slack"
    WEBHOOK = "webhook"


PERSONAL = (Channel.APP, Channel.MAIL)
# What somebody gets who has chosen nothing.
DEFAULTS: dict[Topic, tuple[Channel, ...]] = {
    Topic.APPROVAL: (Channel.APP,),
    Topic.SLA: (Channel.APP, Channel.MAIL),
    Topic.RUN_ENDED: (),
    Topic.STUCK: (Channel.APP,),
    Topic.BUDGET: (Channel.APP, Channel.MAIL),
}


@dataclass(frozen=True, slots=True)
class Quiet:
    """When a person wants no mail: from and until minutes of their day; equal ones mean never. It may pass midnight."""

    from_minute: int = 0
    until_minute: int = 0
    time_zone: str = "UTC"


def send_at(now: datetime, quiet: Quiet) -> datetime:
    """Return when mail may be sent: now, or the end of the quiet hours that now lies in."""
    if quiet.from_minute == quiet.until_minute:
        return now
    zone = ZoneInfo(quiet.time_zone)
    local = now.astimezone(zone)
    minute = local.hour * 60 + local.minute
    since_from = (minute - quiet.from_minute) % MINUTES_OF_DAY
    if since_from >= (quiet.until_minute - quiet.from_minute) % MINUTES_OF_DAY:
        return now
    day = local.date() + timedelta(days=minute >= quiet.until_minute)
    hour, minute = divmod(quiet.until_minute, 60)
    end = datetime(day.year, day.month, day.day, hour % 24, minute, tzinfo=zone).astimezone(now.tzinfo)
    return max(now, end)
