"""Put what a run asks onto the desk."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Any
from uuid import UUID

from django.db.models import Q
from django.db.models.functions import Now

from agentops.accounts.models import User
from agentops.audit.services.record import record_of_product
from agentops.common.transactions import transaction_required
from agentops.common.types import JsonValue
from approvals.engine.digests import args_digest, signature, summary, tool_digest
from approvals.engine.rules import Ruling
from approvals.engine.stages import OPEN, Stage
from approvals.models import Queue, Request
from approvals.selectors.policy import effect_of, facts_of, mode_of, ruling_on
from approvals.services.start_sla import start_sla
from approvals.services.tell_deciders import tell_deciders
from runs.checkpoints.blobs import load
from runs.engine.errors import ProgramError
from runs.engine.tools import ToolSpec
from runs.models import Outcome, Run, Step, Wait
from runs.tools.registry import get_tool

RISKS = {"": 1, "read": 0, "compute": 0, "write": 1, "destructive": 2}


@dataclass(frozen=True, slots=True)
class Asked:
    """A question as its rows tell it."""

    kind: str
    action: str
    args: JsonValue
    reason: str = ""
    question: dict[str, Any] | None = None
    premises: Any = None
    timeout_at: datetime | None = None


@transaction_required
def open_request(*, run_id: UUID, seq: int) -> Request | None:
    """Return the new request for what the step asks; None when it asks nothing, or one is open already.

    Rows of the run are read as this transaction sees them. Locks: none but the new row.
    """
    run = Run.objects.select_related("agent").defer("input", "output").get(pk=run_id)
    asked = asked_of(run, seq)
    if asked is None or run.ended_at is not None:
        return None
    request = _request(run, seq, asked)
    if not _inserted(request):
        return None
    _supersede(request)
    start_sla(request)
    tell_deciders(request)
    record_of_product(
        team_id=run.team_id, by=f"agent {run.agent.slug}", action="approval.open", subject=f"approval:{request.pk}",
        detail={"run": str(run_id), "step": seq, "kind": asked.kind, "action": asked.action, "digest": request.args_digest},
    )  # fmt: skip
    return request


def asked_of(run: Run, seq: int) -> Asked | None:
    """Return what the step asks people now, if anything."""
    wait = Wait.objects.filter(run_id=run.pk, seq=seq, kind="person", closed_at__isnull=True).first()
    if wait is not None:
        told: dict[str, Any] = wait.details or {}
        return Asked(
            told["type"], wait.name, told.get("args"), told.get("summary", ""), told, told.get("premises"), wait.timeout_at
        )  # fmt: skip
    step = Step.objects.filter(
        run_id=run.pk, seq=seq, branch=run.branch, status__in=("asked", "unknown")
    ).first()
    if step is None:
        return None
    row = Outcome.objects.get(run_id=run.pk, seq=seq)
    asked: dict[str, Any] = load(row.request_codec, row.request)
    kind = "permission" if step.status == "asked" else "unknown"
    return Asked(kind, step.name, asked["args"], premises=asked.get("premises"), question=_text(run, seq))


def queue_for(team_id: UUID, *, agent: str, action: str, kind: str) -> Queue | None:
    """Return the first queue that takes such requests."""
    for queue in Queue.objects.filter(team_id=team_id).order_by("position", "slug"):
        if (
            _takes(queue.agents, agent)
            and _takes(queue.actions, action)
            and (not queue.kinds or kind in queue.kinds)
        ):
            return queue
    return None


def spec_of(action: str) -> ToolSpec | None:
    """Return the tool of this name, if the action is one."""
    try:
        return get_tool(action)
    except ProgramError:
        return None


def digest_of(run_id: UUID, seq: int, action: str, spec: ToolSpec | None, args: JsonValue) -> str:
    """Return what a decision about these arguments must name."""
    return args_digest(run_id=str(run_id), seq=seq, action=action, tool=identity_of(spec), args=args)


def identity_of(spec: ToolSpec | None) -> str:
    return tool_digest(spec.name, spec.version, spec.effect.value, spec.args_schema) if spec else ""


def _request(run: Run, seq: int, asked: Asked) -> Request:
    spec = spec_of(asked.action) if asked.kind != "ask" else None
    ruling = _ruling(run, asked, spec)
    stages = _stages(run, asked, ruling)
    queue = (
        Queue.objects.filter(team_id=run.team_id, slug=stages[0].queue).first() if stages[0].queue else None
    )
    told = asked.reason if asked.kind == "ask" else summary(asked.action, asked.args)
    return Request(
        team_id=run.team_id, run_id=run.pk, seq=seq, kind=asked.kind, agent=run.agent.slug, run_title=run.title[:300],
        node=run.node, action=asked.action[:200], effect=effect_of(spec), tool_version=spec.version if spec else "",
        summary=" ".join(told.split())[:500] or asked.action, reason="" if asked.kind == "ask" else asked.reason,
        args=asked.args, proposed_args=asked.args, args_digest=digest_of(run.pk, seq, asked.action, spec, asked.args),
        args_schema=spec.args_schema if spec else None, question=asked.question, evidence=_evidence(run, asked, spec),
        signature=signature(agent=run.agent.slug, action=asked.action, kind=asked.kind, args=asked.args),
        risk=RISKS[effect_of(spec)], rule=_told(ruling), stages=[stage.as_json() for stage in stages], queue=queue,
        initiator=_initiator(run), expires_at=asked.timeout_at, decision_due_at=asked.timeout_at,
    )  # fmt: skip


def _ruling(run: Run, asked: Asked, spec: ToolSpec | None) -> Ruling:
    if asked.kind in ("ask", "unknown"):
        return Ruling("allow")
    facts = facts_of(run, asked.action, effect_of(spec) or "write", asked.args)
    return ruling_on(run.team_id, facts, mode_of(run.team_id, run.agent.slug, run.agent_version_id))


def _stages(run: Run, asked: Asked, ruling: Ruling) -> tuple[Stage, ...]:
    """Return who decides: by the rule, else whoever has the queue that it comes to, else the team."""
    queue = queue_for(run.team_id, agent=run.agent.slug, action=asked.action, kind=asked.kind)
    stages = ruling.stages if ruling.rule else (OPEN,)
    return tuple(_routed(stage, queue.slug if queue else "") for stage in stages)


def _routed(stage: Stage, queue: str) -> Stage:
    return stage if stage.queue or not queue else replace(stage, queue=queue)


def _told(ruling: Ruling) -> dict[str, Any] | None:
    rule = ruling.rule
    if rule is None:
        return {"name": "", "verdict": ruling.verdict, "why": ruling.why} if ruling.why else None
    return {"id": rule.id, "name": rule.name, "version": rule.version, "verdict": rule.verdict, "why": ruling.why,
            "others": list(ruling.others)}  # fmt: skip


def _evidence(run: Run, asked: Asked, spec: ToolSpec | None) -> dict[str, Any]:
    return {
        "premises": asked.premises or [], "cost_microusd": run.cost_microusd, "n_steps": run.n_steps, "tool": identity_of(spec),
        "is_idempotent": spec.idempotent if spec else None, "description": spec.description[:500] if spec else "",
        "tags": list(run.tags),
    }  # fmt: skip


def _initiator(run: Run) -> User | None:
    """Return the person who started the run, or the one that it is a part of; tokens act for their owners."""
    starters = Run.objects.filter(pk__in={run.pk, run.root_id}).values_list("pk", "created_by")
    names = [
        name.split(" (token ")[0]
        for _, name in sorted(starters, key=lambda found: found[0] != run.pk)
        if name
    ]
    found = {user.username: user for user in User.objects.filter(username__in=names)}
    return next((found[name] for name in names if name in found), None)


def _inserted(request: Request) -> bool:
    Request.objects.bulk_create([request], ignore_conflicts=True)
    return Request.objects.filter(pk=request.pk).exists()


def _supersede(request: Request) -> None:
    """Void an older permission for the same action that was not used: what it rested on has changed."""
    older = Request.objects.filter(
        run_id=request.run_id, action=request.action, status="approved", used_at__isnull=True, kind__in=("approve", "permission")
    ).exclude(pk=request.pk)  # fmt: skip
    if not _is_asked_again(request):
        older = older.filter(seq=request.seq)
    older_ids = list(older.values_list("pk", flat=True))
    Request.objects.filter(pk__in=older_ids).update(status="voided", message="asked again", closed_at=Now())
    void = Request.objects.filter(run_id=request.run_id, action=request.action, status="voided")
    void = void.filter(Q(seq=request.seq) | Q(pk__in=older_ids)).exclude(pk=request.pk)
    Request.objects.filter(pk=request.pk).update(supersedes=void.order_by("-opened_at").first())


def _is_asked_again(request: Request) -> bool:
    premises = request.evidence.get("premises") or []
    return any(isinstance(it, Mapping) and "before" in it for it in premises)


def _text(run: Run, seq: int) -> dict[str, Any] | None:
    """Return the words of the question on the run's page, where it is about this step."""
    told = run.waiting_on or {}
    return {"text": told.get("text", "")} if told.get("seq") == seq else None


def _takes(patterns: list[str], name: str) -> bool:
    return not patterns or any(fnmatchcase(name, pattern) for pattern in patterns)
