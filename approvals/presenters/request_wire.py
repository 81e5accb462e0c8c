"""Requests as the API tells them."""

from agentops.accounts.roles import Actor
from approvals import schemas
from approvals.engine.stages import is_met, open_seats, stages_of
from approvals.engine.words import FITTING
from approvals.models import Comment, Decision, Request
from approvals.selectors.people import room_of
from approvals.selectors.requests import comments_of, decisions_of
from approvals.selectors.turns import KINDS, turn_of
from approvals.services.decide import standing_of


def row_out(request: Request) -> schemas.ApprovalRowOut:
    return schemas.ApprovalRowOut.model_validate(_row(request))


def request_out(request: Request, actor: Actor) -> schemas.ApprovalOut:
    """Return the request as the actor may see and decide it."""
    found = standing_of(request, actor) if request.status == "pending" else None
    return schemas.ApprovalOut.model_validate(_row(request) | {
        "reason": request.reason, "args": request.args, "proposed_args": request.proposed_args, "args_schema": request.args_schema,
        "question": request.question, "evidence": request.evidence, "rule": request.rule, "stages": stages_out(request),
        "allowed": FITTING[request.kind] if found else (), "may_decide": bool(found and found.may),
        "why_not": found.why_not if found else f"this is {request.status}",
        "initiator": request.initiator.username if request.initiator else None, "message": request.message,
        "answer": request.answer, "grant_expires_at": request.grant_expires_at, "used_at": request.used_at,
        "used_step": request.used_seq, "supersedes": request.supersedes_id,
        "decisions": [decision_out(one) for one in decisions_of(request)],
        "turn": [one.pk for one in turn_of(request.run_id, request.seq)] if request.kind in KINDS else [],
        "comments": [comment_out(one) for one in comments_of(request)],
    })  # fmt: skip


def stages_out(request: Request) -> list[schemas.StageOut]:
    """Return the stages, with how many approvals each has and needs as things are now."""
    return [
        schemas.StageOut(
            name=stage.name, quantifier=stage.quantifier, queue=stage.queue,  # type: ignore[arg-type]  # checked when it was saved
            needed=stage.needed(len(open_seats(stage, room))), approved=len({voter for voter, _ in room.voted}),
            is_open=number == request.stage and not (request.status != "pending" or is_met(stage, room)),
            excludes_initiator=stage.excludes_initiator, people_only=stage.people_only,
        )
        for number, stage in enumerate(stages_of(request.stages))
        for room in (room_of(request, number),)
    ]  # fmt: skip


def decision_out(one: Decision) -> schemas.DecisionOut:
    return schemas.DecisionOut(
        by=one.actor, on_behalf_of=one.on_behalf_of.username if one.on_behalf_of else None, type=one.type, stage=one.stage,
        message=one.message, args=one.args, args_digest=one.digest_seen, void_reason=one.void_reason, at=one.decided_at,
    )  # fmt: skip


def comment_out(one: Comment) -> schemas.CommentOut:
    return schemas.CommentOut(id=one.id, by=one.actor, text=one.text, at=one.created_at)


def _row(request: Request) -> dict[str, object]:
    now_at = request.now_at  # type: ignore[attr-defined]  # annotated by the selectors
    is_held = (
        request.claimed_until is not None
        and request.claimed_until > now_at
        and request.claimed_by is not None
    )
    return {
        "id": request.id, "kind": request.kind, "status": request.status, "version": request.version, "agent": request.agent,
        "run_id": request.run_id, "step": request.seq, "action": request.action, "effect": request.effect,
        "summary": request.summary, "args_digest": request.args_digest, "signature": request.signature,
        "queue": request.queue.slug if request.queue else None, "stage": request.stage,
        "claimed_by": request.claimed_by.username if is_held and request.claimed_by else None,
        "claimed_until": request.claimed_until if is_held else None, "opened_at": request.opened_at,
        "first_response_due_at": request.first_response_due_at, "decision_due_at": request.decision_due_at,
        "expires_at": request.expires_at, "escalation_level": request.escalation_level, "closed_at": request.closed_at,
        "closed_by": request.closed_by, "url": f"/approvals/{request.id}",
    }  # fmt: skip
