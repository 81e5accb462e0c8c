"""Decide about several requests of one sort at once."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from agentops.accounts.roles import Actor
from agentops.common.errors import AgentOpsError
from approvals.models import Request
from approvals.selectors.requests import request_for
from approvals.services.decide import Choice, decide
from runs.services.checks import misfit

MAX_AT_ONCE = 100
# Reads and ordinary writes; what destroys is looked at one by one.
MAX_RISK = 1


@dataclass(frozen=True, slots=True)
class Picked:
    """One of the requests, as it was seen."""

    id: UUID
    version: int
    args_digest: str


def one_by_one(request: Request) -> str:
    """Return why requests of this sort are approved one by one; empty when many may be at once."""
    if request.risk > MAX_RISK:
        return "what destroys is approved one by one"
    if len(request.stages) > 1:
        return "what needs several stages is approved one by one"
    if request.kind == "unknown":
        return "whether something happened is answered one by one"
    return "questions are answered one by one" if request.kind == "ask" else ""


def decide_many(
    *, actor: Actor, picked: Sequence[Picked], verdict: str, message: str = "", channel: str = "web"
) -> list[tuple[Request, str]]:
    """Return each request after its decision, with why it was not made where it was not; one does not hold up the others.

    Raises: InvalidInputError when they are too many, not of one sort, or of a risk that is decided one by one;
        NotFoundError.
    Transaction: opens one for each.
    """
    if not 1 <= len(picked) <= MAX_AT_ONCE:
        raise misfit("/items", f"must have 1 to {MAX_AT_ONCE} requests")
    if verdict not in ("approve", "reject"):
        raise misfit("/type", "must be approve or reject")
    requests = [request_for(actor, one.id) for one in picked]
    if len({request.signature for request in requests}) > 1:
        raise misfit("/items", "must be of one sort: the same agent, action and kinds of arguments")
    if verdict == "approve" and (told := next(filter(None, map(one_by_one, requests)), "")):
        raise misfit("/items", told)
    choices = [
        Choice(verdict, message=message, version=one.version, args_digest=one.args_digest, channel=channel)
        for one in picked
    ]
    return [_one(actor, one, choice) for one, choice in zip(picked, choices, strict=True)]


def _one(actor: Actor, one: Picked, choice: Choice) -> tuple[Request, str]:
    try:
        return decide(actor=actor, request_id=one.id, choice=choice), ""
    except AgentOpsError as error:
        return request_for(actor, one.id), error.detail
