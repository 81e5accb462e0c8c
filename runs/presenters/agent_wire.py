"""Versions of agents as the API tells them."""

from runs import schemas_agents as schemas
from runs.checkpoints.diff import diff
from runs.engine.agent_definition import filled
from runs.models import AgentVersion
from runs.schemas import VersionOut
from runs.selectors.definitions import OfferedTool, document_of
from runs.services.check_definition import warnings_about


def version_url(version: AgentVersion) -> str:
    """Return the address of the version in the API."""
    return f"/api/v1/agents/{version.agent.slug}/versions/{version.number}"


def version_out(version: AgentVersion) -> schemas.VersionDetailOut:
    slug, document = version.agent.slug, version.definition
    warnings = [] if document is None else warnings_about(team_id=version.team_id, slug=slug, definition=document)  # fmt: skip
    columns = {name: getattr(version, name) for name in VersionOut.model_fields}
    return schemas.VersionDetailOut(
        **columns, agent=slug, url=f"/agents/{slug}/versions?b={version.number}",
        definition=None if document is None else filled(document),
        warnings=[schemas.WarningOut(pointer=pointer, message=message) for pointer, message in warnings],
    )  # fmt: skip


def diff_out(a: AgentVersion, b: AgentVersion) -> schemas.VersionDiffOut:
    return schemas.VersionDiffOut(a=a.number, b=b.number, patch=diff(document_of(a), document_of(b)))


def tool_out(tool: OfferedTool) -> schemas.ToolOut:
    return schemas.ToolOut(
        name=tool.name, effect=tool.effect, description=tool.description, args_schema=tool.args_schema, idempotent=tool.is_idempotent
    )  # fmt: skip
