"""The calls of the API about rate limits of models."""

from django.http import HttpRequest, HttpResponse
from ninja import Router, Status

from agentops.accounts.middleware import caller_of
from runs import schemas_rate_limits as schemas
from runs.presenters import rate_limit_wire as wire
from runs.presenters.if_match import IfMatch, current_state, seen_version
from runs.selectors.rate_limits import preview_for, rate_limit_for, rate_limits_for
from runs.services.set_rate_limit import set_rate_limit

router = Router(tags=["providers"])


@router.get(
    "",
    response=schemas.RateLimitListOut,
    operation_id="list_rate_limits",
    summary="List rate limits of models",
)
def index(request: HttpRequest) -> schemas.RateLimitListOut:
    """List every model of every provider of the team with its limits."""
    items = [wire.rate_limit_out(limit) for limit in rate_limits_for(caller_of(request))]
    return schemas.RateLimitListOut(items=items, next_cursor=None)


@router.post(
    "", response={201: schemas.RateLimitOut}, operation_id="create_rate_limit", summary="Limit the rate of a model"
)  # fmt: skip
def create(
    request: HttpRequest, response: HttpResponse, payload: schemas.RateLimitIn
) -> Status[schemas.RateLimitOut]:
    """Limit a model that has no limits; one that the provider's list does not name is added to it."""
    made = set_rate_limit(
        actor=caller_of(request), slug=payload.provider, model=payload.model, is_new=True,
        changes=payload.model_dump(exclude={"provider", "model"}),
    )  # fmt: skip
    response["Location"], response["ETag"] = wire.rate_limit_url(made), wire.etag(made)
    return Status(201, wire.rate_limit_out(made))


@router.post(
    "/preview", response=schemas.RateLimitPreviewOut, operation_id="preview_rate_limit",
    summary="Tell whom a rate limit would hold up",
)  # fmt: skip
def preview(request: HttpRequest, payload: schemas.RateLimitIn) -> schemas.RateLimitPreviewOut:
    """Tell who asked the model lately, and how long their busiest day would take at least; nothing is changed."""
    found = preview_for(caller_of(request), payload.provider, payload.model)
    return wire.preview_out(found, payload.requests_per_minute, payload.tokens_per_minute)


@router.get(
    "/{str:slug}/{path:path}", response=schemas.RateLimitOut, operation_id="get_rate_limit",
    summary="Get the rate limits of a model",
)  # fmt: skip
def one(request: HttpRequest, response: HttpResponse, slug: str, path: str) -> schemas.RateLimitOut:
    """Get the limits of the model `path` of the provider `slug`."""
    found = rate_limit_for(caller_of(request), slug, path)
    response["ETag"] = wire.etag(found)
    return wire.rate_limit_out(found)


@router.patch(
    "/{str:slug}/{path:path}", response=schemas.RateLimitOut, operation_id="update_rate_limit",
    summary="Change the rate limits of a model",
)  # fmt: skip
def update(
    request: HttpRequest, response: HttpResponse, slug: str, path: str, payload: schemas.RateLimitPatchIn, if_match: IfMatch = None
) -> schemas.RateLimitOut:  # fmt: skip
    """Change what the body names, from the next request on; null takes a limit off."""
    actor = caller_of(request)
    with current_state(if_match, lambda: wire.rate_limit_out(rate_limit_for(actor, slug, path))):
        found = set_rate_limit(
            actor=actor, slug=slug, model=path, version=seen_version(if_match, payload.version),
            changes=payload.model_dump(exclude_unset=True, exclude={"version"}),
        )  # fmt: skip
    response["ETag"] = wire.etag(found)
    return wire.rate_limit_out(found)
