"""Ends of the team's runs, whatever ended them."""

from datetime import datetime, timedelta
from uuid import UUID

import orjson
from django.db.models import Q
from django.db.models.functions import Now

from agentops.common.types import JsonValue
from runs.endings import told_of_end
from runs.engine.sources import event_of
from runs.models import Event, Run, Source
from runs.sources.port import Batch, Found, Place, Reading

BATCH = 100
# An end is seen when its statement is committed, which is later than the instant it bears.
OVERLAP = timedelta(seconds=15)


def read_ended_runs(place: Place) -> Reading:
    """Yield the ends after the position, `{"since", "at"}`, and once more those shortly before `at`, known by then.

    Runs that events of this very source have started are passed over: an agent that is started by its own end would
    never come to rest.
    """
    position = place.position
    if not isinstance(position, dict):
        since = at = _beginning() if place.settings["from_start"] else _now(place)
        yield Batch((), _position(since, at))
    else:
        since, at = (datetime.fromisoformat(str(position[name])) for name in ("since", "at"))
    seen = (max(since, at - OVERLAP), UUID(int=0))
    while rows := _ends(place, seen):
        seen = (rows[-1][1], rows[-1][0])
        at = max(at, seen[0])
        yield Batch(_found(place, rows), _position(since, at))


def _position(since: datetime, at: datetime) -> JsonValue:
    return {"since": since.isoformat(), "at": at.isoformat()}


def _beginning() -> datetime:
    return datetime.fromisoformat("1970-01-01T00:00:00+00:00")


def _now(place: Place) -> datetime:
    now: datetime = Source.objects.filter(team_id=place.team_id).values_list(Now(), flat=True)[0]
    return now


def _ends(place: Place, seen: tuple[datetime, UUID]) -> list[tuple[UUID, datetime]]:
    """Return the next ends; the index over `ended_at` is narrow and coarse, for it must cost nothing when a run ends."""
    at, run_id = seen
    found = Run.objects.filter(team_id=place.team_id, ended_at__gte=at)
    if place.text("agent"):
        found = found.filter(agent__slug=place.text("agent"))
    rows = found.filter(Q(ended_at__gt=at) | Q(id__gt=run_id)).order_by("ended_at", "id")
    ended = rows.values_list("id", "ended_at")[:BATCH]
    return [(run_id, at) for run_id, at in ended if at]


def _found(place: Place, rows: list[tuple[UUID, datetime]]) -> list[Found]:
    """Return the ends that are no events yet. One that a retry has undone meanwhile is told as what it is now, if ended."""
    ids = {_delivery_id(run_id, ended_at): run_id for run_id, ended_at in rows}
    unknown = place.unknown(list(ids))
    wanted = [ids[delivery_id] for delivery_id in ids if delivery_id in unknown]
    runs = Run.objects.filter(id__in=wanted, ended_at__isnull=False).select_related("agent", "agent_version")
    by_id = {run.pk: run for run in runs}
    own = _started_by(place, list(by_id.values()))
    return [
        Found(delivery_id, str(run.status), _plain(run), key=run.agent.slug)
        for delivery_id, run_id in ids.items()
        if (run := by_id.get(run_id)) and run_id not in own and delivery_id == _delivery_id(run_id, run.ended_at)
    ]  # fmt: skip


def _delivery_id(run_id: UUID, ended_at: datetime | None) -> str:
    return f"{run_id}:{ended_at.isoformat() if ended_at else ''}"


def _started_by(place: Place, runs: list[Run]) -> set[UUID]:
    """Return those runs that a trigger started at an event of this source; their idempotency keys tell."""
    events = {run.pk: event_id for run in runs if (event_id := event_of(run.idempotency_key or ""))}
    ours = Event.objects.filter(team_id=place.team_id, source=place.label, id__in=set(events.values()))
    known = set(ours.values_list("id", flat=True))
    return {run_id for run_id, event_id in events.items() if event_id in known}


def _plain(run: Run) -> JsonValue:
    value: JsonValue = orjson.loads(orjson.dumps(told_of_end(run), option=orjson.OPT_UTC_Z))
    return value
