"""The calls of the API about providers of language models."""

from collections.abc import Callable
from dataclasses import asdict

from django.http import HttpRequest, HttpResponse
from ninja import Router, Status

from agentops.accounts.middleware import caller_of
from agentops.accounts.roles import Actor
from runs import schemas_providers as schemas
from runs.models import Provider
from runs.presenters import provider_wire as wire
from runs.presenters.if_match import IfMatch, current_state, seen_version
from runs.selectors.providers import provider_for, providers_for, standings_of
from runs.services.check_provider import check_provider
from runs.services.create_provider import create_provider
from runs.services.delete_provider import delete_provider
from runs.services.update_provider import update_provider

router = Router(tags=["providers"])


@router.get(
    "", response=schemas.ProviderListOut, operation_id="list_providers", summary="List providers of models"
)
def index(request: HttpRequest) -> schemas.ProviderListOut:
    """List the team's providers, the default one first."""
    providers = providers_for(caller_of(request))
    standings = standings_of(caller_of(request), providers)
    items = [wire.provider_out(provider, standings[provider.pk]) for provider in providers]
    return schemas.ProviderListOut(items=items, next_cursor=None)


@router.post(
    "",
    response={201: schemas.ProviderOut},
    operation_id="create_provider",
    summary="Make a provider of models",
)
def create(
    request: HttpRequest, response: HttpResponse, payload: schemas.ProviderIn
) -> Status[schemas.ProviderOut]:
    """Make a provider; no answer ever tells its key."""
    provider = create_provider(actor=caller_of(request), **payload.model_dump())
    response["Location"], response["ETag"] = wire.provider_url(provider), wire.etag(provider)
    return Status(201, _out(caller_of(request), provider))


@router.get(
    "/{str:slug}",
    response=schemas.ProviderOut,
    operation_id="get_provider",
    summary="Get a provider of models",
)
def get(request: HttpRequest, response: HttpResponse, slug: str) -> schemas.ProviderOut:
    """Get one provider, and how its models stand: limits, breaker, last error."""
    provider = provider_for(caller_of(request), slug)
    response["ETag"] = wire.etag(provider)
    return _out(caller_of(request), provider)


@router.patch(
    "/{str:slug}",
    response=schemas.ProviderOut,
    operation_id="update_provider",
    summary="Change a provider of models",
)
def update(
    request: HttpRequest, response: HttpResponse, slug: str, payload: schemas.ProviderPatchIn, if_match: IfMatch = None
) -> schemas.ProviderOut:  # fmt: skip
    """Change what the body names: another key, other models, `{"paused": true}`."""
    actor = caller_of(request)
    changes = payload.model_dump(exclude_unset=True, exclude={"version"})
    with current_state(if_match, _current(actor, slug)):
        version = seen_version(if_match, payload.version)
        provider = update_provider(actor=actor, slug=slug, changes=changes, version=version)
    response["ETag"] = wire.etag(provider)
    return _out(actor, provider)


@router.delete(
    "/{str:slug}", response={204: None}, operation_id="delete_provider", summary="Delete a provider of models"
)
def delete(request: HttpRequest, slug: str, if_match: IfMatch = None) -> Status[None]:
    """Delete a provider with its key; what its models have answered stays."""
    actor = caller_of(request)
    with current_state(if_match, _current(actor, slug)):
        delete_provider(actor=actor, slug=slug, version=seen_version(if_match, None))
    return Status(204, None)


@router.post(
    "/{str:slug}/check",
    response=schemas.ProviderCheckOut,
    operation_id="check_provider",
    summary="Test the connection to a provider",
)
def check(request: HttpRequest, slug: str) -> schemas.ProviderCheckOut:
    """Ask the provider for its models, with our key: free of charge, and nothing is stored."""
    return schemas.ProviderCheckOut(**asdict(check_provider(actor=caller_of(request), slug=slug)))


def _current(actor: Actor, slug: str) -> Callable[[], schemas.ProviderOut]:
    return lambda: _out(actor, provider_for(actor, slug))


def _out(actor: Actor, provider: Provider) -> schemas.ProviderOut:
    return wire.provider_out(provider, standings_of(actor, [provider])[provider.pk])
