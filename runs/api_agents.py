"""The calls of the API that make, change, publish, compare and carry over agents without code."""

from django.http import HttpRequest, HttpResponse
from ninja import Query, Router, Status

from agentops.accounts.middleware import caller_of
from runs import schemas_agents as schemas
from runs.presenters import agent_wire as wire
from runs.presenters.wire import agent_row
from runs.schemas import AgentPageOut, PageIn
from runs.selectors.agents import agents_for, version_for
from runs.selectors.definitions import export_of, tools_for
from runs.services.add_version import add_version
from runs.services.create_agent import create_agent
from runs.services.import_agent import import_agent
from runs.services.publish_version import publish_version
from runs.services.roll_back import roll_back

router = Router(tags=["agents"])
tools_router = Router(tags=["agents"])


@router.get("", response=AgentPageOut, operation_id="list_agents", summary="List agents")
def index(request: HttpRequest, filters: Query[PageIn]) -> AgentPageOut:
    """List the team's agents."""
    page = agents_for(caller_of(request), cursor=filters.cursor, limit=filters.limit)
    return AgentPageOut(items=[agent_row(agent) for agent in page.items], next_cursor=page.next_cursor)


@router.post(
    "",
    response={201: schemas.VersionDetailOut},
    operation_id="create_agent",
    summary="Make an agent without code",
)
def create(
    request: HttpRequest, response: HttpResponse, payload: schemas.NewAgentIn
) -> Status[schemas.VersionDetailOut]:
    """Make an agent; its definition is version 1, a draft until it is published."""
    version = create_agent(actor=caller_of(request), **payload.model_dump())
    response["Location"] = wire.version_url(version)
    return Status(201, wire.version_out(version))


@router.post(
    "/import",
    response={201: schemas.VersionDetailOut, 200: schemas.VersionDetailOut},
    operation_id="import_agent",
    summary="Take over an exported agent",
)
def take_over(request: HttpRequest, payload: schemas.ImportIn) -> Status[schemas.VersionDetailOut]:
    """Take over what an export says, as a draft: of a new agent, or of the one that is called so. 200 when nothing is new."""
    version, is_new = import_agent(actor=caller_of(request), document=payload.model_dump())
    return Status(201 if is_new else 200, wire.version_out(version))


@router.post(
    "/{slug}/versions",
    response={201: schemas.VersionDetailOut, 200: schemas.VersionDetailOut},
    operation_id="add_agent_version",
    summary="Change an agent's definition",
)
def add(
    request: HttpRequest, response: HttpResponse, slug: str, payload: schemas.NewVersionIn
) -> Status[schemas.VersionDetailOut]:
    """Add a version, a draft until it is published; 200 with the newest one when that says the same."""
    version, is_new = add_version(actor=caller_of(request), slug=slug, **payload.model_dump())
    response["Location"] = wire.version_url(version)
    return Status(201 if is_new else 200, wire.version_out(version))


@router.get(
    "/{slug}/versions/{int:number}",
    response=schemas.VersionDetailOut,
    operation_id="get_agent_version",
    summary="Get a version of an agent",
)
def get(request: HttpRequest, slug: str, number: int) -> schemas.VersionDetailOut:
    """Get one version with its definition. `POST /runs` with its number starts a run of it, published or not."""
    return wire.version_out(version_for(caller_of(request), slug, number))


@router.post(
    "/{slug}/versions/{int:number}/publish",
    response=schemas.VersionDetailOut,
    operation_id="publish_agent_version",
    summary="Let runs start from a version",
)
def publish(request: HttpRequest, slug: str, number: int, payload: schemas.NoteIn) -> schemas.VersionDetailOut:  # fmt: skip
    """Publish a version; runs that are under way go on with theirs."""
    return wire.version_out(publish_version(actor=caller_of(request), slug=slug, number=number, note=payload.note))  # fmt: skip


@router.post(
    "/{slug}/versions/{int:number}/rollback",
    response=schemas.VersionDetailOut,
    operation_id="roll_back_agent",
    summary="Let runs start from an earlier version again",
)
def back(request: HttpRequest, slug: str, number: int, payload: schemas.NoteIn) -> schemas.VersionDetailOut:
    """Withdraw what was published after this version; runs that are under way go on with theirs."""
    return wire.version_out(roll_back(actor=caller_of(request), slug=slug, number=number, note=payload.note))


@router.get(
    "/{slug}/diff",
    response=schemas.VersionDiffOut,
    operation_id="diff_agent_versions",
    summary="Compare two versions of an agent",
)
def diff(request: HttpRequest, slug: str, filters: Query[schemas.VersionDiffIn]) -> schemas.VersionDiffOut:
    """Get what makes one definition of the other; of agents of code, which code they name."""
    actor = caller_of(request)
    return wire.diff_out(version_for(actor, slug, filters.a), version_for(actor, slug, filters.b))


@router.get(
    "/{slug}/export",
    response=schemas.ExportOut,
    operation_id="export_agent",
    summary="Get a version as a file",
)
def export(request: HttpRequest, slug: str, filters: Query[schemas.ExportIn]) -> schemas.ExportOut:
    """Get what `POST /agents/import` takes, here or elsewhere; it holds no secrets."""
    return schemas.ExportOut.model_validate(export_of(caller_of(request), slug, filters.version))


@tools_router.get(
    "", response=schemas.ToolListOut, operation_id="list_tools", summary="List tools that agents may be given"
)
def tools(request: HttpRequest) -> schemas.ToolListOut:
    """List the tools that are installed here, each with what it does and the schema of its arguments."""
    return schemas.ToolListOut(items=[wire.tool_out(it) for it in tools_for(caller_of(request))])
