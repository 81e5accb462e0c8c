"""Say what becomes of a write that a run is about to make: the gate (final validation before it happens)."""

from dataclasses import dataclass
from typing import Any

from django.db.models import Q
from django.db.models.functions import Now

from agentops.common.canonical import digest
from agentops.common.transactions import transaction
from approvals.engine.rules import Ruling, is_stricter
from approvals.engine.stages import is_met, stages_of
from approvals.models import Decision, Request
from approvals.selectors.people import room_of
from approvals.selectors.policy import facts_of, mode_of, ruling_on
from approvals.services.open_request import identity_of
from runs.desk import Judgement, Proposal
from runs.engine.reuse import Act
from runs.journal.fence import query
from runs.models import Run

# One round trip tells of nearly every write that nobody has anything to say about it.
_CONCERNED = (
    "SELECT EXISTS (SELECT 1 FROM approvals_policy p WHERE p.team_id = %(team_id)s)"
    " OR EXISTS (SELECT 1 FROM approvals_request q WHERE q.run_id = %(run_id)s)"
    " OR EXISTS (SELECT 1 FROM runs_run r JOIN runs_agentversion v ON v.id = r.agent_version_id"
    " WHERE r.id = %(run_id)s AND v.definition->>'approval_mode' = 'gate')"
)


@dataclass(frozen=True, slots=True)
class _Case:
    proposal: Proposal
    run: Run
    mode: str

    def ruling(self, args: Any) -> Ruling:
        tool = self.proposal.tool
        facts = facts_of(self.run, tool.name, tool.effect.value, args)
        return ruling_on(self.run.team_id, facts, self.mode)


def judge_proposal(proposal: Proposal) -> Judgement:
    """Return what becomes of the write: by the permission that people gave for it, else by the team's rules.

    A permission holds while the tool and the arguments are what people saw, everybody who gave it still may, and no rule has
    become stricter since: rules only tighten what was decided. One that does not hold is voided, and asked for again.
    """
    if not query(_CONCERNED, {"team_id": proposal.team_id, "run_id": proposal.run_id})[0][0]:
        return Judgement()
    run = Run.objects.select_related("agent").defer("input", "output").get(pk=proposal.run_id)
    case = _Case(proposal, run, mode_of(run.team_id, run.agent.slug, run.agent_version_id))
    request = _permission(proposal)
    if request is not None:
        return _by_permission(case, request)
    recalled = _recalled(proposal)
    return (
        Judgement(Act.ASK, recalled)
        if recalled and case.ruling(proposal.args).verdict != "deny"
        else _by_rules(case)
    )


def _permission(proposal: Proposal) -> Request | None:
    """Return the request that is about this write: the one of its own step, else one that the agent made beforehand."""
    of_run = Request.objects.filter(run_id=proposal.run_id, action=proposal.tool.name)
    own = of_run.filter(Q(seq=proposal.seq, kind="permission") | Q(used_seq=proposal.seq)).order_by(
        "-opened_at"
    )
    if (found := own.first()) is not None:
        return found if found.status in ("pending", "approved") else None
    beforehand = of_run.filter(
        kind="approve", status="approved", used_at__isnull=True, grant_expires_at__gt=Now()
    )
    return next((one for one in beforehand.order_by("-closed_at") if _same(one.args, proposal.args)), None)


def _recalled(proposal: Proposal) -> str:
    """Return what to ask where the last thing that people said of this write was that they take their permission back."""
    of_run = Request.objects.filter(run_id=proposal.run_id, action=proposal.tool.name)
    said = of_run.filter(kind__in=("approve", "permission"), status__in=("approved", "voided")).order_by(
        "-opened_at"
    )
    last = next((one for one in said if one.seq == proposal.seq or _same(one.args, proposal.args)), None)
    recall = Decision.objects.filter(request=last, type="recall").first() if last else None
    return (
        f"may {proposal.tool.name} be called? {recall.actor} took the permission back: {recall.message}"
        if recall
        else ""
    )


def _by_permission(case: _Case, request: Request) -> Judgement:
    changed = None if _same(request.args, case.proposal.args) else request.args
    if request.status == "pending":
        return Judgement(Act.ASK, request.summary)
    if request.used_seq == case.proposal.seq:
        return Judgement(args=changed)
    why_not = _flaw(case, request)
    if not why_not:
        return Judgement(args=changed, grant=request.pk)
    _void(request, why_not)
    ruling = case.ruling(request.args)
    if ruling.verdict == "deny" and case.mode != "monitor":
        return Judgement(Act.DENY, ruling.why)
    if request.kind == "approve" and ruling.verdict == "allow":
        return Judgement(note=f"{request.action} is done without its permission: {why_not}")
    return Judgement(Act.ASK, f"may {request.action} be called? {why_not}")


def _flaw(case: _Case, request: Request) -> str:
    """Return why the permission does not hold any more; empty when it does."""
    proposal, ruling = case.proposal, case.ruling(request.args)
    if not Request.objects.filter(pk=request.pk, grant_expires_at__gt=Now(), used_at__isnull=True).exists():
        return "the permission was not used in time"
    if request.evidence.get("tool") != identity_of(proposal.tool):
        return "the tool has changed since it was allowed"
    if request.kind == "permission" and not _same(request.proposed_args, proposal.args):
        return "the arguments are not those that were allowed"
    if case.mode != "monitor" and is_stricter(ruling, Ruling("ask", None, stages_of(request.stages))):
        return f"{ruling.why}, and asks for more than was given"
    return _gone(request)


def _gone(request: Request) -> str:
    """Return whether somebody whose approval is needed may not give it any more."""
    stages = stages_of(request.stages)
    met = all(is_met(stage, room_of(request, number)) for number, stage in enumerate(stages))
    return "" if met else "somebody who approved it may not approve any more"


def _by_rules(case: _Case) -> Judgement:
    ruling = case.ruling(case.proposal.args)
    if ruling.verdict == "allow":
        return Judgement()
    if case.mode == "monitor":
        return Judgement(
            note=f"{case.proposal.tool.name}: {ruling.why}; nothing is held up in the mode monitor"
        )
    if ruling.verdict == "deny":
        return Judgement(Act.DENY, f"{case.proposal.tool.name} was not called: {ruling.why}")
    if case.proposal.attempts:  # it was let through before the rule stood; the same action goes on
        return Judgement()
    return Judgement(Act.ASK, f"may {case.proposal.tool.name} be called? {ruling.why}")


def _void(request: Request, why: str) -> None:
    with transaction():
        Request.objects.filter(pk=request.pk, status="approved", used_at__isnull=True).update(
            status="voided", message=why, closed_at=Now()
        )


def _same(a: Any, b: Any) -> bool:
    return digest(a) == digest(b)
