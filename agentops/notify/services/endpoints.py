"""Make an endpoint, switch it on and off, take it away."""

from collections.abc import Sequence
from uuid import UUID

from agentops.accounts.roles import Actor, Scope
from agentops.audit.services.record import record
from agentops.common.errors import ConflictError, InvalidInputError, NotFoundError
from agentops.common.sealing import seal
from agentops.common.transactions import transaction
from agentops.common.types import JsonObject
from agentops.notify.models import Endpoint
from agentops.notify.topics import Topic
from runs.services.callback_url import check_callback_url
from runs.services.checks import check_text, misfit
from runs.tools.exchange import place_of

KINDS = ("slack", "webhook")
MAX_NAME_CHARACTERS = 100
MAX_ENDPOINTS = 50


def create_endpoint(*, actor: Actor, name: str, kind: str, url: str, topics: Sequence[str]) -> Endpoint:
    """Return the endpoint, to which the team's notices of the topics go from now on; its URL cannot be read again.

    Raises: NotAllowedError; InvalidInputError with pointers; ConflictError when the name is taken.
    Transaction: opens one.
    """
    actor.require(Scope.ADMIN)
    check_text("/name", name, MAX_NAME_CHARACTERS)
    if kind not in KINDS:
        raise misfit("/kind", f"must be one of {', '.join(KINDS)}")
    chosen = checked_topics(topics)
    try:
        check_callback_url(url)
    except InvalidInputError as error:
        raise misfit("/url", str(error.data["errors"][0]["message"])) from error
    host, port = place_of(url)
    row = Endpoint(
        team_id=actor.team_id, name=name, kind=kind, host=f"{host}:{port}"[:300], topics=chosen,
        created_by=actor.name[:200],
    )  # fmt: skip
    row.url = seal(url.encode(), place=f"endpoint {row.team_id} {row.pk}")
    with transaction():
        if Endpoint.objects.filter(team_id=actor.team_id).count() >= MAX_ENDPOINTS:
            raise ConflictError(f"a team has at most {MAX_ENDPOINTS} endpoints; take one away first")
        Endpoint.objects.bulk_create([row], ignore_conflicts=True)
        if not Endpoint.objects.filter(pk=row.pk).exists():
            raise ConflictError(f"the name {name!r} is taken; choose another", name=name)
        _tell(actor, "create", row, {"kind": kind, "host": row.host, "topics": [*chosen]})
    return row


def switch_endpoint(*, actor: Actor, endpoint_id: UUID, is_on: bool) -> None:
    """Switch the endpoint on or off; what is on its way goes on. Raises: NotAllowedError, NotFoundError."""
    actor.require(Scope.ADMIN)
    with transaction():
        row = _locked(actor, endpoint_id)
        Endpoint.objects.filter(pk=row.pk).update(is_on=is_on)
        _tell(actor, "update", row, {"is_on": is_on})


def delete_endpoint(*, actor: Actor, endpoint_id: UUID) -> None:
    """Delete the endpoint with its deliveries. Raises: NotAllowedError, NotFoundError."""
    actor.require(Scope.ADMIN)
    with transaction():
        row = _locked(actor, endpoint_id)
        _tell(actor, "delete", row, {"host": row.host})
        row.delete()


def checked_topics(topics: Sequence[str]) -> list[str]:
    """Return the topics, each once. Raises: InvalidInputError."""
    unknown = [topic for topic in topics if topic not in set(Topic)]
    if unknown or not topics:
        raise misfit("/topics", f"choose from {', '.join(Topic)}")
    return sorted(set(topics))


def _locked(actor: Actor, endpoint_id: UUID) -> Endpoint:
    row = Endpoint.objects.select_for_update().filter(pk=endpoint_id, team_id=actor.team_id).first()
    if row is None:
        raise NotFoundError(f"there is no endpoint {endpoint_id}")
    return row


def _tell(actor: Actor, verb: str, row: Endpoint, detail: JsonObject) -> None:
    told = {"name": row.name, **detail}
    record(actor=actor, action=f"endpoint.{verb}", subject=f"endpoint:{row.pk}", detail=told)
