"""Tell people of something, once."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import orjson

from agentops.accounts.models import Membership, User
from agentops.common.canonical import clean_json
from agentops.common.ids import new_id
from agentops.common.transactions import transaction_required
from agentops.notify.models import Endpoint, Preference
from agentops.notify.topics import DEFAULTS, PERSONAL, Channel, Quiet, Topic, send_at
from runs.journal.fence import query
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
def notify(*, team_id: UUID, message: Message, user_ids: Collection[int] | None = None) -> UUID | None:
    """Put a notice on its way in the transaction of its cause; None when the team was told of this key before.

    It goes to the members of the team among `user_ids` (all, when None), over the channels that each has chosen for the
    topic, and to the endpoints that take the topic. The clock sends it; nothing is sent here.
    """
    told = notify_many(team_id=team_id, messages=[(message, user_ids)])
    return told[0] if told else None


@transaction_required
def notify_many(*, team_id: UUID, messages: Sequence[tuple[Message, Collection[int] | None]]) -> list[UUID]:
    """Put many notices on their way, by two statements; returns the ids of those that the team was not told of before.

    See notify.
    """
    rows = {new_id(): (message, _audience(message, user_ids)) for message, user_ids in messages}
    notices = _json([{"id": pk, **_fields(message)} for pk, (message, _) in rows.items()])
    new = [row[0] for row in query(_NOTICES, {"team": team_id, "notices": notices})]
    _send(team_id, {pk: rows[pk][1] for pk in new})
    return new


def channels_of(preference: Preference | None, topic: Topic) -> list[Channel]:
    """Return over which channels the person is told of the topic."""
    chosen = preference.channels.get(topic.value) if preference else None
    if not isinstance(chosen, list):
        return list(DEFAULTS[topic])
    return [channel for channel in PERSONAL if channel.value in chosen]


class _Audience(NamedTuple):
    """What decides whom a notice goes to, how and when: a busy clock makes thousands for few of them."""

    topic: Topic
    is_urgent: bool
    user_ids: frozenset[int] | None


class _Way(NamedTuple):
    """What the deliveries of an audience's notices have in common."""

    channel: str
    host: str
    due_at: datetime
    user_id: int | None = None
    endpoint_id: UUID | None = None
    state: str = "due"
    settled_at: datetime | None = None


_NOTICES = """
INSERT INTO notify_notice (id, team_id, topic, key, title, text, path, is_urgent)
SELECT id, %(team)s, topic, key, title, text, path, is_urgent FROM jsonb_to_recordset(%(notices)s::jsonb)
    AS n (id uuid, topic text, key text, title text, text text, path text, is_urgent boolean)
ON CONFLICT DO NOTHING RETURNING id
"""
# The ids of a notice's deliveries begin with the instant of its own, so that they lie together, in the order of the notices.
_DELIVERIES = """
INSERT INTO notify_delivery (id, team_id, attempts, attempts_before, notice_id, channel, host, due_at, user_id, endpoint_id, state, settled_at)
SELECT encode(overlay(uuid_send(gen_random_uuid()) PLACING substring(uuid_send(n.id) FROM 1 FOR 8) FROM 1), 'hex')::uuid,
    %(team)s, 0, 0, n.id, w.channel, w.host, w.due_at, w.user_id, w.endpoint_id, w.state, w.settled_at
FROM jsonb_to_recordset(%(notices)s::jsonb) AS n (id uuid, audience integer)
    JOIN jsonb_to_recordset(%(ways)s::jsonb) AS w (audience integer, channel text, host text, due_at timestamptz, user_id bigint,
        endpoint_id uuid, state text, settled_at timestamptz) USING (audience)
ORDER BY n.id RETURNING NULL
"""


def _send(team_id: UUID, audiences: dict[UUID, _Audience]) -> None:
    """Put the notices before their audiences."""
    if not audiences:
        return
    room, numbers = _Room(team_id), {one: number for number, one in enumerate(set(audiences.values()))}
    ways = [
        {"audience": number, **way._asdict()} for one, number in numbers.items() for way in room.ways(one)
    ]
    notices = [{"id": pk, "audience": numbers[one]} for pk, one in audiences.items()]
    query(_DELIVERIES, {"team": team_id, "notices": _json(notices), "ways": _json(ways)})


class _Room:
    """Whom a team's notices may go to, read once."""

    def __init__(self, team_id: UUID) -> None:
        self.now = database_now()
        members = Membership.objects.filter(team_id=team_id, user__is_active=True)
        self.members = list(members.select_related("user"))
        self.chosen = {one.user_id: one for one in Preference.objects.filter(team_id=team_id)}
        self.endpoints = list(Endpoint.objects.filter(team_id=team_id, is_on=True).defer("url"))

    def ways(self, audience: _Audience) -> Iterator[_Way]:
        for member in self.members:
            if audience.user_ids is None or member.user_id in audience.user_ids:
                wanted = self.chosen.get(member.user_id)
                for channel in channels_of(wanted, audience.topic):
                    if channel is Channel.APP or member.user.email:
                        yield self._personal(audience, channel, member.user, wanted)
        for one in self.endpoints:
            if audience.topic.value in one.topics:
                yield _Way(one.kind, one.host, self.now, endpoint_id=one.pk)

    def _personal(self, audience: _Audience, channel: Channel, user: User, wanted: Preference | None) -> _Way:
        if channel is Channel.APP:
            return _Way(channel.value, "", self.now, user.pk, state="delivered", settled_at=self.now)
        return _Way(channel.value, "mail", self._mail_at(audience, user, wanted), user.pk)

    def _mail_at(self, audience: _Audience, user: User, wanted: Preference | None) -> datetime:
        if audience.is_urgent or wanted is None:
            return self.now
        try:
            return send_at(
                self.now, Quiet(wanted.quiet_from_minute, wanted.quiet_until_minute, user.time_zone)
            )
        except (KeyError, ValueError):  # a zone that this machine does not know
            return self.now


def _audience(message: Message, user_ids: Collection[int] | None) -> _Audience:
    return _Audience(message.topic, message.is_urgent, None if user_ids is None else frozenset(user_ids))


def _fields(message: Message) -> dict[str, str | bool]:
    return {
        "topic": message.topic.value, "key": message.key[:200], "title": _line(message.title),
        "text": str(clean_json(message.text))[:MAX_TEXT_CHARACTERS], "path": message.path[:300], "is_urgent": message.is_urgent,
    }  # fmt: skip


def _line(text: str) -> str:
    """Return the text as one line, which may stand in the head of a mail."""
    return " ".join(str(clean_json(text)).split())[:200]


def _json(rows: Sequence[object]) -> str:
    return orjson.dumps(rows).decode()
