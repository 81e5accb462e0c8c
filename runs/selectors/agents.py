"""Reading agents: what can be started, and with which input."""

from difflib import get_close_matches

from django.db.models import Max, Q

from agentops.accounts.roles import Actor, Scope
from agentops.common.errors import NotFoundError
from runs.models import Agent, AgentVersion
from runs.selectors.paging import DEFAULT_LIMIT, MAX_LIMIT, Page, decode_cursor, page_of


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
    found = AgentVersion.objects.filter(agent__team_id=actor.team_id, agent__slug=slug).select_related(
        "agent"
    )
    found = found.filter(number=number) if number is not None else found.filter(published_at__isnull=False)
    version = found.order_by("-number").first()
    if version is None:
        raise _unknown_version(actor, slug, number)
    return version


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
