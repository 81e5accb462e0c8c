"""Tell people of something, once."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from agentops.accounts.models import Membership
from agentops.common.canonical import clean_json
from agentops.common.transactions import transaction_required
from agentops.notify.models import Delivery, Endpoint, Notice, Preference
from agentops.notify.topics import DEFAULTS, PERSONAL, Channel, Quiet, Topic, send_at
from runs.selectors.schedules import database_now

MAX_TEXT_CHARACTERS = 4000


@dataclass(frozen=True, slots=True)
class Message:
    """What is told: `key` is its identity in the team, `path` where it leads in the console.

    An urgent one is sent in quiet hours too. It holds no link that decides anything.
    """

    topic: Topic
    key: str
    title: str
    text: str = ""
    path: str = ""
    is_urgent: bool = False


@transaction_required
def notify(*, team_id: UUID, message: Message, user_ids: Collection[int] | None = None) -> Notice | None:
    """Put a notice on its way in the transaction of its cause; None when the team was told of this key before.

    It goes to the members of the team among `user_ids` (all, when None), over the channels that each has chosen for the
    topic, and to the endpoints that take the topic. The clock sends it; nothing is sent here.
    """
    notice = Notice(
        team_id=team_id, topic=message.topic.value, key=message.key[:200], title=_line(message.title),
        text=str(clean_json(message.text))[:MAX_TEXT_CHARACTERS], path=message.path[:300], is_urgent=message.is_urgent,
    )  # fmt: skip
    Notice.objects.bulk_create([notice], ignore_conflicts=True)
    if not Notice.objects.filter(pk=notice.pk).exists():
        return None
    now = database_now()
    Delivery.objects.bulk_create([*_to_people(notice, user_ids, now), *_to_endpoints(notice, now)])
    return notice


def channels_of(preference: Preference | None, topic: Topic) -> list[Channel]:
    """Return over which channels the person is told of the topic."""
    chosen = preference.channels.get(topic.value) if preference else None
    if not isinstance(chosen, list):
        return list(DEFAULTS[topic])
    return [channel for channel in PERSONAL if channel.value in chosen]


def _to_people(notice: Notice, user_ids: Collection[int] | None, now: datetime) -> list[Delivery]:
    members = Membership.objects.filter(team_id=notice.team_id, user__is_active=True).select_related("user")
    if user_ids is not None:
        members = members.filter(user_id__in=user_ids)
    found = {one.user_id: one for one in Preference.objects.filter(team_id=notice.team_id)}
    rows = []
    for member in members:
        wanted = found.get(member.user_id)
        for channel in channels_of(wanted, Topic(notice.topic)):
            row = Delivery(
                team_id=notice.team_id, notice=notice, channel=channel.value, user=member.user, host=""
            )
            if channel is Channel.APP:
                row.state, row.settled_at = "delivered", now
            elif member.user.email:
                row.host, row.due_at = "mail", _mail_at(notice, wanted, member.user.time_zone, now)
            else:
                continue
            rows.append(row)
    return rows


def _mail_at(notice: Notice, wanted: Preference | None, time_zone: str, now: datetime) -> datetime:
    if notice.is_urgent or wanted is None:
        return now
    try:
        return send_at(now, Quiet(wanted.quiet_from_minute, wanted.quiet_until_minute, time_zone))
    except (KeyError, ValueError):  # a zone that this machine does not know
        return now


def _to_endpoints(notice: Notice, now: datetime) -> list[Delivery]:
    endpoints = Endpoint.objects.filter(team_id=notice.team_id, is_on=True, topics__contains=[notice.topic])
    return [
        Delivery(
            team_id=notice.team_id, notice=notice, channel=one.kind, endpoint=one, host=one.host, due_at=now
        )
        for one in endpoints
    ]


def _line(text: str) -> str:
    """Return the text as one line, which may stand in the head of a mail."""
    return " ".join(str(clean_json(text)).split())[:200]
