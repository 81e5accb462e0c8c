"""A search text → the way to walk the runs of a team."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from django.db import connection
from django.utils import timezone

from agentops.accounts.roles import Actor
from agentops.common.errors import BadQueryError
from agentops.common.query import And, Filter, Term, Value, parse
from runs.models import Agent
from runs.search.compiler import NEWEST_FIRST, compiled, with_suggestion
from runs.search.registry import Asker
from runs.selectors.walk import Way

OLDEST_FIRST = "created"


@dataclass(frozen=True, slots=True)
class RunQuery:
    """What a query asks for: the way to walk, the key to sort by, and who asked when."""

    way: Way
    sort: str
    asker: Asker


def run_query(
    actor: Actor,
    text: str = "",
    *,
    statuses: Collection[str] = (),
    agent: str = "",
    at: datetime | None = None,
    is_timed: bool = False,
) -> RunQuery:
    """Return what the text asks for, narrowed to any of the statuses and to the agent, where they are given.

    `at` is when it was asked, if that was not now: times ago are told from then. `is_timed`: the asker
    must know the time, even if the text does not ask for it. Days begin as in the current zone.

    Raises: BadQueryError with `position` and, where one can be made, `suggestion`.
    """
    asker = asker_of(actor, at or _now(is_timed or text))
    try:
        search = compiled(And.of(parse(text), *_narrowed(statuses, agent)), asker)
    except BadQueryError as error:
        raise with_suggestion(error, text) from None
    hints = search.condition.hints
    agent_ids = None if hints.agents is None else _agent_ids(actor, hints.agents)
    way = Way(actor.team_id, search.condition, agent_ids, is_oldest_first=search.sort == OLDEST_FIRST)
    return RunQuery(way, NEWEST_FIRST if search.sort == OLDEST_FIRST else search.sort, asker)


def asker_of(actor: Actor, at: datetime | None = None) -> Asker:
    """Return who asks, and when: now, unless it was asked at another time. Days begin as in the current zone."""
    zone = ZoneInfo(timezone.get_current_timezone_name())
    return Asker(actor.team_id, actor.name, at or _now(is_asked=True), zone)


def _narrowed(statuses: Collection[str], agent: str) -> list[Term]:
    terms: list[Term] = []
    if statuses:
        terms.append(Filter("status", tuple(Value(status, is_quoted=True) for status in sorted(statuses))))
    if agent:
        terms.append(Filter("agent", (Value(agent, is_quoted=True),)))
    return terms


def _now(is_asked: object) -> datetime:
    """Return the database's time, if anybody may ask for it."""
    if not is_asked:
        return datetime.min.replace(tzinfo=UTC)
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        now: datetime = cursor.fetchone()[0]
    return now


def _agent_ids(actor: Actor, slugs: Collection[str]) -> tuple[UUID, ...]:
    """Return the ids, which the index is on: a join by slug reads a rare agent's whole team."""
    found = Agent.objects.filter(team_id=actor.team_id, slug__in=slugs).values_list("id", flat=True)
    return tuple(found)
