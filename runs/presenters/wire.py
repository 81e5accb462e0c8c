"""The shapes of the API, made from what selectors return."""

from typing import Any

import orjson

from agentops.accounts.models import Team
from runs import schemas
from runs.checkpoints.blobs import load
from runs.checkpoints.diff import diff, summarise
from runs.checkpoints.store import Rebuilt
from runs.checkpoints.verify import Verdict
from runs.engine.states import RunStatus
from runs.models import Agent, AgentVersion, Run, Step
from runs.presenters.holdups import in_the_way
from runs.selectors.checkpoints import CheckpointRow
from runs.selectors.holdups import holdup_of
from runs.selectors.steps import StepDetail
from runs.services.control import possible_verbs

MAX_FAILURES = 100


def verdict(found: Verdict) -> schemas.VerdictOut:
    return schemas.VerdictOut(
        clean=found.is_clean,
        rows=found.n_rows,
        failures=found.failures[:MAX_FAILURES],
        last_good_seq=found.last_good_seq,
    )


def run_url(run: Run) -> str:
    """Return the address of the run in the API."""
    return f"/api/v1/runs/{run.id}"


def run_row(run: Run) -> schemas.RunRowOut:
    return schemas.RunRowOut(**_row_members(run))


def paused(row: Agent | Team) -> schemas.PauseOut | None:
    """Return who has paused it whole; None while nobody has."""
    if not row.is_paused or row.paused_at is None:
        return None
    return schemas.PauseOut(by=row.paused_by, reason=row.pause_reason, at=row.paused_at)


def started(run: Run, n_replaced: int) -> schemas.StartedOut:
    warning = f"{n_replaced} characters that text cannot hold (NUL, lone surrogates) were replaced by U+FFFD"
    return schemas.StartedOut(**_row_members(run), warnings=[warning] if n_replaced else [])


def run_detail(
    run: Run, budget: dict[str, Any] | None = None, session: dict[str, Any] | None = None
) -> schemas.RunOut:
    output = load(run.output_codec, run.output) if run.output is not None else None
    is_long = output is not None and len(orjson.dumps(output)) > schemas.INLINE_OUTPUT_BYTES
    return schemas.RunOut(
        **_row_members(run),
        waiting_on=run.waiting_on or in_the_way(holdup_of(run)),
        session=session,
        budget=budget,
        error=run.error,
        output=None if is_long else output,
        output_url=f"{run_url(run)}/output" if is_long else None,
        callback_url=run.callback_url,
        ended_by=run.ended_by,
        end_reason=run.end_reason,
        epoch=run.epoch,
        legal=possible_verbs(run),
    )


def step_row(step: Step) -> schemas.StepRowOut:
    return schemas.StepRowOut(**_step_members(step))


def step_detail(detail: StepDetail) -> schemas.StepOut:
    request = detail.request.value if detail.request else None
    return schemas.StepOut(
        **_step_members(detail.step),
        input=request["args"] if isinstance(request, dict) and "args" in request else request,
        output=detail.output.value if detail.output else None,
        error=detail.error,
        premises=detail.premises,
        delta=detail.delta,
        idempotency_key=detail.intent.idempotency_key if detail.intent else None,
        attempts=[_of(schemas.AttemptOut, attempt) for attempt in detail.attempts],
        logs=[_of(schemas.LogLineOut, line) for line in detail.log_lines],
        verified=detail.is_verified,
    )


def checkpoint_row(row: CheckpointRow) -> schemas.CheckpointRowOut:
    return schemas.CheckpointRowOut(
        seq=row.seq,
        parent_seq=row.parent_seq,
        branch=row.branch,
        kind="delta",
        node=row.node,
        hash=row.hash.hex(),
        stored_bytes=row.stored_bytes,
        created_at=row.ended_at,
    )


def state(built: Rebuilt) -> schemas.StateOut:
    """Return the state; `verified` is always true, because rebuilding raises where the chain is broken."""
    return schemas.StateOut(seq=built.seq, state=built.state, hash=built.hash.hex(), verified=True)


def difference(before: Rebuilt, after: Rebuilt) -> schemas.DiffOut:
    patch = diff(before.state, after.state)
    found = summarise(patch)
    summary = schemas.DiffSummaryOut(
        added=found.n_added,
        removed=found.n_removed,
        replaced=found.n_replaced,
        moved=found.n_moved,
        keys=found.keys,
    )
    return schemas.DiffOut(patch=patch, summary=summary)


def agent_row(agent: Agent) -> schemas.AgentRowOut:
    return schemas.AgentRowOut(**_agent_members(agent))


def agent_detail(agent: Agent, versions: list[AgentVersion]) -> schemas.AgentOut:
    members = _agent_members(agent)
    published = next((version for version in versions if version.number == members["version"]), None)
    return schemas.AgentOut(
        **members,
        input_schema=published.input_schema if published else None,
        versions=[_of(schemas.VersionOut, version) for version in versions],
    )


def _row_members(run: Run) -> dict[str, Any]:
    progress = schemas.ProgressOut(
        done=run.progress_done or 0, total=run.progress_total, note=run.progress_note
    )
    return {
        "id": run.id,
        "url": f"/runs/{run.id}",
        "agent": run.agent.slug,
        "version": run.agent_version.number,
        "title": run.title,
        "tags": run.tags,
        "batch_id": run.batch_id,
        "queue": run.queue,
        "concurrency_key": run.concurrency_key,
        "priority": run.priority,
        "status": RunStatus(run.status),
        "is_cancelling": run.status == RunStatus.RUNNING and run.control == "cancel",
        "health": run.health,
        "node": run.node,
        "progress": progress if run.progress_done is not None else None,
        "wake_at": run.wake_at,
        "deadline": run.deadline_at,
        "cost_microusd": run.cost_microusd,
        "tokens": schemas.TokensOut(input=run.tokens_in, output=run.tokens_out),
        "steps": run.n_steps,
        "attempts": run.n_steps + run.n_retries,
        "parent": run.parent_id,
        "forked_from": run.forked_from_id,
        "forked_from_seq": run.forked_from_seq,
        "branch": run.branch,
        "effect_mode": run.effect_mode,
        "root": run.root_id,
        "head_seq": run.head_seq,
        "error_message": _error_message(run),
        "created_by": run.created_by,
        "created_at": run.created_at,
        "started_at": run.started_at,
        "ended_at": run.ended_at,
        "archived_at": run.archived_at,
    }


def _error_message(run: Run) -> str | None:
    """Return the sentence of the run's error; lists bring it along without the rest of the error."""
    if "error_message" in run.__dict__:
        found: str | None = run.__dict__["error_message"]
        return found
    return run.error.get("message") if run.error else None


def _step_members(step: Step) -> dict[str, Any]:
    names = (
        "seq", "parent_seq", "branch", "depth", "ordinal", "kind", "name", "effect", "status", "is_superseded", "reuse",
        "summary", "error_code", "cost_microusd", "started_at", "ended_at", "due_at",
    )  # fmt: skip
    tokens = schemas.TokensOut(input=step.tokens_in, output=step.tokens_out)
    return {name: getattr(step, name) for name in names} | {"n_attempts": step.attempts, "tokens": tokens}


def _agent_members(agent: Agent) -> dict[str, Any]:
    return {
        "slug": agent.slug,
        "title": agent.title,
        "description": agent.description,
        "queue": agent.queue,
        "paused": paused(agent),
        "version": agent.__dict__["published"],
    }


def _of(shape: Any, row: Any) -> Any:
    return shape.model_validate(row, from_attributes=True)
