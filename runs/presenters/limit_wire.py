"""Limits and pauses as the API tells them."""

from urllib.parse import quote

from agentops.accounts.models import Team
from runs import schemas_limits as schemas
from runs.engine.limits import LimitScope
from runs.models import Limit
from runs.presenters.wire import paused
from runs.selectors.limits import LimitUse


def limit_url(limit: Limit) -> str:
    """Return the address of the limit in the API."""
    return f"/api/v1{limit_path(limit)}"


def limit_path(limit: Limit) -> str:
    """Return the path that names the limit, which the API and the console share."""
    return f"/limits/{limit.scope}/{quote(limit.name, safe='/*')}"


def etag(limit: Limit) -> str:
    return f'"{limit.version}"'


def limit_out(use: LimitUse) -> schemas.LimitOut:
    limit = use.limit
    return schemas.LimitOut(
        scope=LimitScope(limit.scope), name=limit.name, url=limit_path(limit), max_running=limit.max_running,
        running=use.n_running, waiting=use.n_waiting, full=use.n_full, declared=limit.is_declared, version=limit.version,
        created_by=limit.created_by, created_at=limit.created_at, updated_by=limit.updated_by, updated_at=limit.updated_at,
    )  # fmt: skip


def team_out(team: Team) -> schemas.TeamOut:
    return schemas.TeamOut(id=team.id, slug=team.slug, name=team.name, paused=paused(team))
