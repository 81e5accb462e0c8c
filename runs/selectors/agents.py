"""Reading agents: what can be started, and with which input."""

import json
from difflib import get_close_matches

from django.db import connection
from django.db.models import Max, Q

from agentops.accounts.roles import Actor, Scope
from agentops.common.errors import NotFoundError
from runs.journal.fence import execute
from runs.models import Agent, AgentVersion
from runs.selectors.paging import DEFAULT_LIMIT, MAX_LIMIT, Page, decode_cursor, page_of

BIGINT_BITS = 64
_VERSION_COLUMNS, _AGENT_COLUMNS = (
    [field.attname for field in model._meta.concrete_fields]  # noqa: SLF001 -- Django's public interface to a model
    for model in (AgentVersion, Agent)
)
# Every start of a run asks this: as one text it stays prepared, and costs a fifth of the same query by the ORM.
_VERSION = f"""
SELECT {", ".join(f"v.{name}" for name in _VERSION_COLUMNS)}, {", ".join(f"a.{name}" for name in _AGENT_COLUMNS)}
FROM runs_agent a JOIN runs_agentversion v ON v.agent_id = a.id
WHERE a.team_id = %(team_id)s AND a.slug = %(slug)s
AND (v.number = %(number)s::bigint OR %(number)s::bigint IS NULL AND v.published_at IS NOT NULL)
ORDER BY v.number DESC LIMIT 1
"""  # noqa: S608 -- put together from the models' columns


def agents_for(actor: Actor, *, cursor: str = "", limit: int = DEFAULT_LIMIT) -> Page[Agent]:
    """Return a page of the team's agents by slug; `published` is the number of the version that starts.

    Raises: BadQueryError
    """
    actor.require(Scope.READ)
    limit = max(1, min(limit, MAX_LIMIT))
    found = Agent.objects.filter(team_id=actor.team_id)
    if cursor:
        found = found.filter(slug__gt=decode_cursor(cursor, str)[0])
    newest = Max("versions__number", filter=Q(versions__published_at__isnull=False))
    rows = list(found.annotate(published=newest).order_by("slug")[: limit + 1])
    return page_of(rows, limit, lambda agent: (agent.slug,))


def agent_for(actor: Actor, slug: str) -> Agent:
    """Return the agent with its `published` version's number, and all versions in `versions`, newest first.

    Raises: NotFoundError naming the agents that come near.
    """
    actor.require(Scope.READ)
    newest = Max("versions__number", filter=Q(versions__published_at__isnull=False))
    found = Agent.objects.filter(team_id=actor.team_id, slug=slug).annotate(published=newest).first()
    if found is None:
        raise unknown_agent(actor, slug)
    return found


def versions_for(actor: Actor, slug: str) -> list[AgentVersion]:
    """Return the versions of an agent, newest first.

    Raises: NotFoundError
    """
    agent = agent_for(actor, slug)
    return list(AgentVersion.objects.filter(agent=agent).order_by("-number"))


def version_for(actor: Actor, slug: str, number: int | None = None) -> AgentVersion:
    """Return a version with its agent: the one numbered, or the newest published one.

    Raises: NotFoundError, which for an unknown agent names those that come near.
    """
    actor.require(Scope.READ)
    row = None
    if number is None or number.bit_length() < BIGINT_BITS:
        with connection.wrap_database_errors:
            row = execute(_VERSION, {"team_id": actor.team_id, "slug": slug, "number": number})
    if row is None:
        raise _unknown_version(actor, slug, number)
    version = AgentVersion.from_db(connection.alias, _VERSION_COLUMNS, row[: len(_VERSION_COLUMNS)])
    version.agent = Agent.from_db(connection.alias, _AGENT_COLUMNS, row[len(_VERSION_COLUMNS) :])
    _read_json(version, "input_schema", "recovery", "definition")
    _read_json(version.agent, "watch")
    return version


def _read_json(made: Agent | AgentVersion, *names: str) -> None:
    """Read the columns of JSON, which come as text from a prepared statement."""
    for name in names:
        value = getattr(made, name)
        setattr(made, name, None if value is None else json.loads(value))


def unknown_agent(actor: Actor, slug: str) -> NotFoundError:
    """Return the error that helps on: which agents there are, those with a similar name first."""
    known = list(
        Agent.objects.filter(team_id=actor.team_id).order_by("slug").values_list("slug", flat=True)[:200]
    )
    near = get_close_matches(slug, known, n=3) or known[:10]
    hint = f"did you mean {' or '.join(near)}?" if near else "this team has no agents yet"
    return NotFoundError(f"there is no agent {slug!r}; {hint}", known=near)


def _unknown_version(actor: Actor, slug: str, number: int | None) -> NotFoundError:
    numbers = AgentVersion.objects.filter(agent__team_id=actor.team_id, agent__slug=slug).order_by("number")
    known = list(numbers.values_list("number", flat=True))
    if not known:
        return unknown_agent(actor, slug)
    if number is None:
        return NotFoundError(f"no version of agent {slug!r} is published", known=known)
    return NotFoundError(
        f"agent {slug!r} has no version {number}; it has {', '.join(map(str, known))}", known=known
    )
