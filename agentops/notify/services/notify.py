"""Tell people of something, once."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from django.db import connection

from agentops.accounts.models import Membership, User
from agentops.common.canonical import clean_json
from agentops.common.ids import new_id
from agentops.common.transactions import transaction_required
from agentops.notify.models import Endpoint, Notice, Preference
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
    told = notify_many(team_id=team_id, messages=[(message, user_ids)])
    return told[0] if told else None


@transaction_required
def notify_many(*, team_id: UUID, messages: Sequence[tuple[Message, Collection[int] | None]]) -> list[Notice]:
    """Put many notices on their way; returns those that the team was not told of before (see notify)."""
    rows = [_row(team_id, message) for message, _ in messages]
    Notice.objects.bulk_create(rows, ignore_conflicts=True)
    new = set(Notice.objects.filter(pk__in=[row.pk for row in rows]).values_list("pk", flat=True))
    room = _Room(team_id)
    ways: list[_Way] = []
    for row, (_, user_ids) in zip(rows, messages, strict=True):
        if row.pk in new:
            ways += [*room.to_people(row, user_ids), *room.to_endpoints(row)]
    _insert(team_id, ways)
    return [row for row in rows if row.pk in new]


def channels_of(preference: Preference | None, topic: Topic) -> list[Channel]:
    """Return over which channels the person is told of the topic."""
    chosen = preference.channels.get(topic.value) if preference else None
    if not isinstance(chosen, list):
        return list(DEFAULTS[topic])
    return [channel for channel in PERSONAL if channel.value in chosen]


class _Way(NamedTuple):
    """A row of Delivery: what one notice has of its own. As a tuple, since a busy clock makes a hundred thousand."""

    notice_id: UUID
    channel: str
    host: str
    due_at: datetime
    user_id: int | None = None
    endpoint_id: UUID | None = None
    state: str = "due"
    settled_at: datetime | None = None


_INSERT = """
INSERT INTO notify_delivery (id, team_id, attempts, attempts_before, notice_id, channel, host, due_at, user_id, endpoint_id, state, settled_at)
SELECT id, %s, 0, 0, notice_id, channel, host, due_at, user_id, endpoint_id, state, settled_at
FROM unnest(%s::uuid[], %s::uuid[], %s::text[], %s::text[], %s::timestamptz[], %s::bigint[], %s::uuid[], %s::text[], %s::timestamptz[])
    AS w (id, notice_id, channel, host, due_at, user_id, endpoint_id, state, settled_at)
"""


def _insert(team_id: UUID, ways: Sequence[_Way]) -> None:
    """Insert the deliveries by one statement."""
    if ways:
        with connection.cursor() as cursor:
            ids = [new_id() for _ in ways]
            cursor.execute(_INSERT, [team_id, ids, *(list(column) for column in zip(*ways, strict=True))])


class _Room:
    """Whom a team's notices may go to, read once."""

    def __init__(self, team_id: UUID) -> None:
        self.now = database_now()
        members = Membership.objects.filter(team_id=team_id, user__is_active=True)
        self.members = list(members.select_related("user"))
        self.chosen = {one.user_id: one for one in Preference.objects.filter(team_id=team_id)}
        self.endpoints = list(Endpoint.objects.filter(team_id=team_id, is_on=True).defer("url"))

    def to_people(self, notice: Notice, user_ids: Collection[int] | None) -> Iterator[_Way]:
        for member in self.members:
            if user_ids is None or member.user_id in user_ids:
                wanted = self.chosen.get(member.user_id)
                for channel in channels_of(wanted, Topic(notice.topic)):
                    if channel is Channel.APP or member.user.email:
                        yield self._personal(notice, channel, member.user, wanted)

    def to_endpoints(self, notice: Notice) -> Iterator[_Way]:
        for one in self.endpoints:
            if notice.topic in one.topics:
                yield _Way(notice.pk, one.kind, one.host, self.now, endpoint_id=one.pk)

    def _personal(self, notice: Notice, channel: Channel, user: User, wanted: Preference | None) -> _Way:
        if channel is Channel.APP:
            return _Way(
                notice.pk, channel.value, "", self.now, user.pk, state="delivered", settled_at=self.now
            )
        return _Way(notice.pk, channel.value, "mail", self._mail_at(notice, user, wanted), user.pk)

    def _mail_at(self, notice: Notice, user: User, wanted: Preference | None) -> datetime:
        if notice.is_urgent or wanted is None:
            return self.now
        try:
            return send_at(
                self.now, Quiet(wanted.quiet_from_minute, wanted.quiet_until_minute, user.time_zone)
            )
        except (KeyError, ValueError):  # a zone that this machine does not know
            return self.now


def _row(team_id: UUID, message: Message) -> Notice:
    return Notice(
        team_id=team_id, topic=message.topic.value, key=message.key[:200], title=_line(message.title),
        text=str(clean_json(message.text))[:MAX_TEXT_CHARACTERS], path=message.path[:300], is_urgent=message.is_urgent,
    )  # fmt: skip


def _line(text: str) -> str:
    """Return the text as one line, which may stand in the head of a mail."""
    return " ".join(str(clean_json(text)).split())[:200]
