"""The calls of the API about limits, and about pausing agents and the team."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from ninja import Query, Router, Status

from agentops.accounts.middleware import caller_of
from agentops.accounts.roles import Actor
from runs import schemas_limits as schemas
from runs.engine.limits import LimitScope
from runs.presenters import limit_wire as wire
from runs.presenters.if_match import IfMatch, current_state, seen_version
from runs.presenters.wire import agent_detail
from runs.schemas import AgentOut, ReasonIn
from runs.selectors.agents import versions_for
from runs.selectors.holdups import team_for
from runs.selectors.limits import limit_for, limits_for
from runs.services.pause_agent import pause_agent
from runs.services.pause_team import pause_team
from runs.services.remove_limit import remove_limit
from runs.services.resume_agent import resume_agent
from runs.services.resume_team import resume_team
from runs.services.set_limit import set_limit

router = Router(tags=["limits"])
agents_router = Router(tags=["agents"])
team_router = Router(tags=["team"])


@router.get("", response=schemas.LimitPageOut, operation_id="list_limits", summary="List limits")
def index(request: HttpRequest, filters: Query[schemas.LimitListIn]) -> schemas.LimitPageOut:
    """List the team's limits by scope and name, with how many runs are executed under each now and how many wait."""
    page = limits_for(caller_of(request), agent=filters.agent, cursor=filters.cursor, limit=filters.limit)
    return schemas.LimitPageOut(
        items=[wire.limit_out(use) for use in page.items], next_cursor=page.next_cursor
    )


@router.get(
    "/{scope}/{path:name}", response=schemas.LimitOut, operation_id="get_limit", summary="Get a limit"
)
def get(request: HttpRequest, response: HttpResponse, scope: LimitScope, name: str) -> schemas.LimitOut:
    """Get one limit."""
    use = limit_for(caller_of(request), scope, name)
    response["ETag"] = wire.etag(use.limit)
    return wire.limit_out(use)


@router.put(
    "/{scope}/{path:name}",
    response={201: schemas.LimitOut, 200: schemas.LimitOut},
    operation_id="set_limit",
    summary="Limit how many runs are executed at once",
)
def put(
    request: HttpRequest, response: HttpResponse, scope: LimitScope, name: str, payload: schemas.LimitIn, if_match: IfMatch = None
) -> Status[schemas.LimitOut]:  # fmt: skip
    """Set a limit, whether there is one or not: 201 with its Location when it is new."""
    actor = caller_of(request)
    with current_state(if_match, _current(actor, scope, name)):
        version = seen_version(if_match, payload.version)
        limit, is_new = set_limit(
            actor=actor, scope=scope, name=name, max_running=payload.max_running, version=version
        )
    response["Location"], response["ETag"] = wire.limit_url(limit), wire.etag(limit)
    return Status(201 if is_new else 200, wire.limit_out(limit_for(actor, scope, name)))


@router.delete(
    "/{scope}/{path:name}", response={204: None}, operation_id="remove_limit", summary="Remove a limit"
)
def delete(request: HttpRequest, scope: LimitScope, name: str, if_match: IfMatch = None) -> Status[None]:
    """Remove a limit; one that the agent's code declares counts again in its place."""
    actor = caller_of(request)
    with current_state(if_match, _current(actor, scope, name)):
        remove_limit(actor=actor, scope=scope, name=name, version=seen_version(if_match, None))
    return Status(204, None)


@agents_router.post(
    "/{slug}/pause", response=AgentOut, operation_id="pause_agent", summary="Pause an agent whole"
)
def pause(request: HttpRequest, slug: str, payload: ReasonIn) -> AgentOut:
    """Pause an agent: none of its runs is executed, from the end of their slices on; new ones are queued."""
    actor = caller_of(request)
    agent = pause_agent(actor=actor, slug=slug, reason=payload.reason)
    return agent_detail(agent, versions_for(actor, slug))


@agents_router.post(
    "/{slug}/resume", response=AgentOut, operation_id="resume_agent", summary="Let a paused agent go on"
)
def resume(request: HttpRequest, slug: str) -> AgentOut:
    """Let a paused agent go on; its queued runs are executed in their order."""
    actor = caller_of(request)
    return agent_detail(resume_agent(actor=actor, slug=slug), versions_for(actor, slug))


@team_router.get("", response=schemas.TeamOut, operation_id="get_team", summary="Get the team")
def team(request: HttpRequest) -> schemas.TeamOut:
    """Get the team that the token or session belongs to."""
    return wire.team_out(team_for(caller_of(request)))


@team_router.post(
    "/pause", response=schemas.TeamOut, operation_id="pause_team", summary="Pause the team whole"
)
def pause_whole(request: HttpRequest, payload: ReasonIn) -> schemas.TeamOut:
    """Pause the team: no run of any of its agents is executed, from the end of their slices on; new ones are queued."""
    return wire.team_out(pause_team(actor=caller_of(request), reason=payload.reason))


@team_router.post(
    "/resume", response=schemas.TeamOut, operation_id="resume_team", summary="Let a paused team go on"
)
def resume_whole(request: HttpRequest) -> schemas.TeamOut:
    """Let a paused team go on; agents that are paused by themselves stay so."""
    return wire.team_out(resume_team(actor=caller_of(request)))


def _current(actor: Actor, scope: LimitScope, name: str) -> Callable[[], schemas.LimitOut]:
    return lambda: wire.limit_out(limit_for(actor, scope, name))
