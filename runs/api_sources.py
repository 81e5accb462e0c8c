"""The calls of the API about sources of events."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from ninja import Query, Router, Status

from agentops.accounts.middleware import caller_of
from agentops.accounts.roles import Actor
from runs import schemas_sources as schemas
from runs.presenters import source_wire as wire
from runs.presenters.if_match import IfMatch, current_state, seen_version
from runs.schemas import PageIn
from runs.selectors.sources import source_for, sources_for
from runs.services.create_source import create_source
from runs.services.delete_source import delete_source
from runs.services.renew_source_secret import renew_source_secret
from runs.services.update_source import update_source

router = Router(tags=["sources"])


@router.get("", response=schemas.SourcePageOut, operation_id="list_sources", summary="List sources of events")
def index(request: HttpRequest, filters: Query[PageIn]) -> schemas.SourcePageOut:
    """List the team's sources of events, newest first."""
    page = sources_for(caller_of(request), cursor=filters.cursor, limit=filters.limit)
    return schemas.SourcePageOut(
        items=[wire.source_out(source) for source in page.items], next_cursor=page.next_cursor
    )


@router.post(
    "",
    response={201: schemas.SourceSecretOut},
    operation_id="create_source",
    summary="Make a source of events",
)
def create(
    request: HttpRequest, response: HttpResponse, payload: schemas.SourceIn
) -> Status[schemas.SourceSecretOut]:
    """Make a source; its secret is in this answer and in no other."""
    source, secret = create_source(actor=caller_of(request), **payload.model_dump())
    response["Location"], response["ETag"] = wire.source_url(source), wire.etag(source)
    response["Cache-Control"] = "no-store"
    return Status(201, wire.source_with_secret(source, secret))


@router.get(
    "/{str:slug}", response=schemas.SourceOut, operation_id="get_source", summary="Get a source of events"
)
def get(request: HttpRequest, response: HttpResponse, slug: str) -> schemas.SourceOut:
    """Get one source: how it fares, and what went wrong last."""
    source = source_for(caller_of(request), slug)
    response["ETag"] = wire.etag(source)
    return wire.source_out(source)


@router.patch(
    "/{str:slug}",
    response=schemas.SourceOut,
    operation_id="update_source",
    summary="Change, pause or resume a source",
)
def update(
    request: HttpRequest, response: HttpResponse, slug: str, payload: schemas.SourcePatchIn, if_match: IfMatch = None
) -> schemas.SourceOut:  # fmt: skip
    """Change what the body names; `{"paused": true}` pauses."""
    actor = caller_of(request)
    changes = payload.model_dump(exclude_unset=True, exclude={"version"})
    with current_state(if_match, _current(actor, slug)):
        version = seen_version(if_match, payload.version)
        source = update_source(actor=actor, slug=slug, changes=changes, version=version)
    response["ETag"] = wire.etag(source)
    return wire.source_out(source)


@router.delete(
    "/{str:slug}", response={204: None}, operation_id="delete_source", summary="Delete a source of events"
)
def delete(request: HttpRequest, slug: str, if_match: IfMatch = None) -> Status[None]:
    """Delete a source with its secret; the events that it has told of stay."""
    actor = caller_of(request)
    with current_state(if_match, _current(actor, slug)):
        delete_source(actor=actor, slug=slug, version=seen_version(if_match, None))
    return Status(204, None)


@router.post(
    "/{str:slug}/secret",
    response={201: schemas.SourceSecretOut},
    operation_id="renew_source_secret",
    summary="Give a source another secret",
)
def renew(
    request: HttpRequest, response: HttpResponse, slug: str, payload: schemas.SecretIn
) -> Status[schemas.SourceSecretOut]:
    """Give a source another secret, shown this once; the one before it is void at once."""
    source, secret = renew_source_secret(actor=caller_of(request), slug=slug, secret=payload.secret)
    response["Cache-Control"] = "no-store"
    return Status(201, wire.source_with_secret(source, secret))


def _current(actor: Actor, slug: str) -> Callable[[], schemas.SourceOut]:
    return lambda: wire.source_out(source_for(actor, slug))
