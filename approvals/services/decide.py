"""Decide about a request: approve, edit, reject, respond."""

from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db.models import F
from django.db.models.functions import Coalesce, Now

from agentops.accounts.roles import Actor, Scope
from agentops.audit.services.record import record
from agentops.common.canonical import clean_json, digest
from agentops.common.conf import conf
from agentops.common.errors import ConflictError, NotAllowedError
from approvals.engine.stages import Person, Standing, is_met, stages_of, standing
from approvals.engine.words import FITTING
from approvals.models import Decision, Request
from approvals.selectors.people import room_of
from approvals.selectors.requests import request_for
from approvals.services.apply_edit import apply_edit
from approvals.services.locked import check_open, locked_request, state_of
from approvals.services.tell_run import tell_run
from runs.services.checks import misfit

MAX_MESSAGE_CHARACTERS = 4000


@dataclass(frozen=True, slots=True)
class Choice:
    """What somebody decides. `version` and `args_digest` are of the request as they saw it; None is not compared.

    `action`, when given, must be the request's: an edit changes arguments, never the tool.
    """

    type: str
    args: Any = None
    answer: Any = None
    message: str = ""
    version: int | None = None
    args_digest: str | None = None
    action: str = ""
    channel: str = "web"


class _Rehearsed(Exception):  # noqa: N818 -- no error: everything would have gone well, and nothing is kept
    """Undoes the transaction of a rehearsal."""


def decide(*, actor: Actor, request_id: UUID, choice: Choice, is_rehearsal: bool = False) -> Request:
    """Return the request after the decision, which has reached the run if it was the last that was needed.

    A rehearsal raises what the decision would raise, and changes nothing.

    Raises: NotFoundError; NotAllowedError when the person may not decide this, and why; ConflictError that tells who
        decided what, when it is closed, has changed since it was seen, or is claimed by somebody else; InvalidInputError with
        pointers when the decision does not fit; IllegalMoveError when the run asks nobody any more.
    Locks: the run row, then the request row. Transaction: opens one.
    """
    actor.require(Scope.READ)
    with suppress(_Rehearsed), locked_request(actor, request_id) as request:
        check_open(request)
        _check_seen(request, choice)
        _check_fits(request, choice)
        found = _check_standing(request, actor)
        _decided(request, actor, choice, found)
        if is_rehearsal:
            raise _Rehearsed
    return request_for(actor, request_id)


def standing_of(request: Request, actor: Actor) -> Standing:
    """Return whether the actor may decide about the request now, and if not, why."""
    if not (actor.can(Scope.REVIEW) or (request.kind in ("permission", "unknown") and actor.can(Scope.RUN))):
        return Standing(why_not=f"{actor.name} lacks the scope 'review'; ask an admin of the team for it")
    person = Person(actor.user_id, is_program=actor.token_id is not None)
    return standing(stages_of(request.stages)[request.stage], room_of(request), person)


def _check_seen(request: Request, choice: Choice) -> None:
    is_stale = choice.version is not None and choice.version != request.version
    is_other = choice.args_digest is not None and choice.args_digest != request.args_digest
    was_edited = choice.args_digest is None and digest(request.args) != digest(request.proposed_args)
    if is_stale or is_other or (was_edited and choice.type in ("approve", "edit")):
        raise ConflictError("it has changed since you looked; see what it is now", **state_of(request))


def _check_fits(request: Request, choice: Choice) -> None:
    fitting = FITTING[request.kind]
    if choice.type not in fitting:
        raise misfit("/type", f"this takes {', '.join(fitting)}, not {choice.type!r}")
    if choice.action and choice.action != request.action:
        raise misfit(
            "/action", f"the tool is {request.action} and stays it; reject this to have another one proposed"
        )
    if len(choice.message) > MAX_MESSAGE_CHARACTERS:
        raise misfit("/message", f"at most {MAX_MESSAGE_CHARACTERS:,} characters")


def _check_standing(request: Request, actor: Actor) -> Standing:
    found = standing_of(request, actor)
    if not found.may:
        raise NotAllowedError(found.why_not)
    now_at = request.now_at  # type: ignore[attr-defined]  # annotated by request_for
    holder = request.claimed_by if request.claimed_until and request.claimed_until > now_at else None
    if holder is not None and holder.pk != actor.user_id:
        raise ConflictError(
            f"{holder} has claimed this; take it over first", claimed_by=holder.username, **state_of(request)
        )
    return found


def _decided(request: Request, actor: Actor, choice: Choice, found: Standing) -> None:
    """Add the decision, and do what it comes to."""
    if choice.type == "edit":
        apply_edit(request, choice.args)
    decision = _add(request, actor, choice, found)
    fields: dict[str, Any] = {
        "first_response_at": Coalesce("first_response_at", Now()),
        "version": F("version") + 1,
    }
    if choice.type in ("reject", "respond"):
        fields |= _closed(request, actor.name, "rejected" if choice.type == "reject" else "answered", choice)
    elif is_met(stages_of(request.stages)[request.stage], room_of(request)):
        fields |= _stage_met(request, choice)
    Request.objects.filter(pk=request.pk).update(**fields)
    record(
        actor=actor, action="approval.decide", subject=f"approval:{request.pk}",
        detail={"type": choice.type, "stage": decision.stage, "digest": request.args_digest, "run": str(request.run_id),
                "step": request.seq, "message": decision.message},
    )  # fmt: skip
    if "status" in fields:
        request.status = fields["status"]
        tell_run(
            request,
            by=fields["closed_by"],
            message=decision.message,
            answer=choice.answer,
            verdict=choice.type,
        )


def _add(request: Request, actor: Actor, choice: Choice, found: Standing) -> Decision:
    stands_in = found.seat if found.seat and found.seat != actor.user_id else None
    return Decision.objects.create(
        request=request, stage=request.stage, type=choice.type, user_id=actor.user_id, on_behalf_of_id=stands_in,
        actor=actor.name[:200], channel=choice.channel, args=request.args if choice.type == "edit" else None,
        answer=clean_json(choice.answer), message=str(clean_json(choice.message)), digest_seen=request.args_digest,
        version_seen=request.version,
    )  # fmt: skip


def _stage_met(request: Request, choice: Choice) -> dict[str, Any]:
    if request.stage + 1 < len(request.stages):
        return {"stage": request.stage + 1, "claimed_by": None, "claimed_until": None}
    approved = Decision.objects.filter(request=request, type__in=("approve", "edit"), void_reason="")
    names = ", ".join(approved.order_by("decided_at").values_list("actor", flat=True))
    grant_for = timedelta(seconds=conf().approval_grant_seconds)
    return _closed(request, names, "approved", choice) | {"grant_expires_at": Now() + grant_for}


def _closed(request: Request, by: str, status: str, choice: Choice) -> dict[str, Any]:
    return {
        "status": status, "closed_at": Now(), "closed_by": by[:200], "message": str(clean_json(choice.message)),
        "answer": clean_json(choice.answer), "claimed_by": None, "claimed_until": None,
    }  # fmt: skip
