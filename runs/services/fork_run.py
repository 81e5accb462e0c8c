"""Fork a run: a new one that begins with the state of another at one of its steps, and needs that one no longer."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from django.db import IntegrityError as DuplicateError

from agentops.accounts.roles import Actor, Scope
from agentops.audit.services.record import record
from agentops.common.canonical import clean_json, digest
from agentops.common.conf import conf
from agentops.common.errors import IdempotencyConflictError, InvalidInputError, NotFoundError, TooLargeError
from agentops.common.ids import new_id
from agentops.common.transactions import after_commit, transaction
from agentops.common.types import JsonObject
from runs import broadcasts, dispatch
from runs.checkpoints.codec import Encoded, encode_capped
from runs.checkpoints.files import NO_CHANGE, first_files, note_uses
from runs.checkpoints.reuses import seal_of
from runs.checkpoints.store import FILES, SNAPSHOT, fork_genesis
from runs.engine.reuse import Mode
from runs.journal.fence import execute
from runs.models import Branch, Checkpoint, Run, Step
from runs.selectors.effects import WRITES
from runs.selectors.points import actions_behind
from runs.selectors.runs import check_here, run_for
from runs.services.copying import REUSED_KINDS, Place, insert_reuses, keep_in_journal, reusable, written
from runs.services.fork_plan import ForkPlan, ForkRequest, plan_fork
from runs.services.fork_signals import copy_signals

MAX_REUSED = 20_000
MAX_REASON_CHARACTERS = 2000
FIRST_SEQ = 1

_HERE = (
    "SELECT r.archived_at, (SELECT k.seq FROM runs_cut k WHERE k.run_id = r.id) FROM runs_run r"
    " WHERE r.id = %(run_id)s FOR KEY SHARE OF r"
)


def fork_run(
    *, actor: Actor, run_id: UUID, request: ForkRequest, idempotency_key: str | None = None
) -> tuple[Run, bool]:
    """Return the new run, and whether this call has made it. The parent is only read, and may be deleted afterwards.

    It begins at the earliest of `seq` and the edited outputs, with that state, changed by `input` (its values in place
    of the old input's) and `state_patch` (RFC 6902). In the mode `live` every call is made again; `recorded` serves
    what was recorded while the requests are equal, and asks a person before any new write; `dry` makes no write. With
    a changed state or version it begins at the beginning of a node.

    Raises:
        NotFoundError: no such run, step or version.
        ConflictError: the step has not ended; the code of the version is not installed here.
        InvalidInputError: something of the request does not fit, with pointers.
        TooLargeError: more than MAX_REUSED outcomes would have to be copied.
        IntegrityError: what would be copied is not what was written.
        IdempotencyConflictError: the key was used with another request.

    Transaction: opens one. Worker and pages are told after it.
    """
    actor.require(Scope.RUN)
    _check_key(idempotency_key)
    request_hash = _digest(run_id, request)
    earlier = _earlier(actor, idempotency_key, request_hash)
    if earlier is not None:
        return earlier, False
    plan = plan_fork(actor, run_id, request)
    run = _built(actor, plan, request, request_hash, idempotency_key)
    try:
        with transaction():
            _hold(plan.parent, plan.point.checkpoint_seq)
            _store(actor, plan, run, request)
            told: JsonObject = {"parent": str(run_id), "mode": plan.mode.value, "reason": request.reason}
            record(actor=actor, action="run.fork", subject=f"run:{run.pk}", detail=told)
    except DuplicateError:
        earlier = _earlier(actor, idempotency_key, request_hash)
        if earlier is None:
            run_for(actor, run_id)  # the parent may have been deleted meanwhile
            raise
        return earlier, False
    return run, True


def _hold(parent: Run, seq: int) -> None:
    """Keep the parent from being archived, deleted or pruned until the fork stands, and make sure that it was not while it was read.

    Raises: RunArchivedError, NotFoundError. Locks: the parent, for its key alone: its worker goes on.
    """
    row = execute(_HERE, {"run_id": parent.pk})
    if row is None:
        raise NotFoundError(f"there is no run {parent.pk}", run_id=str(parent.pk))
    parent.archived_at = row[0]
    check_here(parent)
    if row[1] is not None and row[1] > seq:
        raise NotFoundError(
            f"the steps of run {parent.pk} up to {row[1]} were pruned meanwhile", run_id=str(parent.pk)
        )


def reused_actions(plan: ForkPlan) -> list[Step]:
    """Return the actions behind the point that the fork is given rows for, in their order."""
    kept = {step.seq for step in plan.kept}
    found = actions_behind(plan.parent, plan.point, kinds=REUSED_KINDS)
    behind = [step for step in found if step.seq not in kept]
    edited = {(step.name, step.summary) for step in behind if step.seq in plan.edited}
    if plan.mode is Mode.RECORDED:
        return behind
    if plan.mode is Mode.DRY:
        return [step for step in behind if step.effect in WRITES or (step.name, step.summary) in edited]
    return [step for step in behind if (step.name, step.summary) in edited]


def _store(actor: Actor, plan: ForkPlan, run: Run, request: ForkRequest) -> None:
    edited = {
        seq: written(run.team_id, value, f"the output of step {seq}") for seq, value in plan.edited.items()
    }
    what = "the state of the fork"
    snapshot = written(run.team_id, plan.state, what)
    given = Encoded(run.input_codec, bytes(run.input), 0)
    files = first_files(run.team_id, run.pk, plan.files)
    tip = files[1] if files else NO_CHANGE
    run.head_hash = fork_genesis(run.team_id, run.pk, given, snapshot, plan.checkpoint_hash, files=tip)
    run.n_steps = len(plan.kept)
    run.save(force_insert=True)
    first: dict[str, Any] = {"run": run, "seq": 0, "team_id": run.team_id, "branch": run.branch,
        "parent_seq": plan.point.checkpoint_seq, "key_id": conf().integrity_key_id}  # fmt: skip
    if files:
        note_uses(run.pk, plan.files)
        Checkpoint.objects.create(kind=FILES, codec=files[0].codec, body=files[0].body, hash=tip, **first)
    Checkpoint.objects.create(
        kind=SNAPSHOT, codec=snapshot.codec, body=snapshot.body, hash=run.head_hash, tip_hash=plan.checkpoint_hash, **first
    )  # fmt: skip
    place = Place(run.team_id, run.pk, run.branch)
    keep_in_journal(place, plan.kept, edited, node_seq=FIRST_SEQ)
    served = reused_actions(plan)
    if len(served) > MAX_REUSED:
        told = f"{len(served):,} outcomes would have to be copied, and the limit is {MAX_REUSED:,}; fork from a later step"
        raise TooLargeError(told)
    later = {seq: body for seq, body in edited.items() if seq not in {step.seq for step in plan.kept}}
    macs = insert_reuses(reusable(place, served, later, serves=plan.mode is not Mode.LIVE))
    _branch(actor, plan, run, request, macs).save(force_insert=True)
    if request.keep_signals:
        copy_signals(plan.parent, plan.point, run)
    after_commit(lambda: dispatch.poke(run.queue))
    after_commit(lambda: broadcasts.hint(run.team_id, run.pk))
    after_commit(lambda: broadcasts.hint(run.team_id, plan.parent.pk))


def _built(actor: Actor, plan: ForkPlan, request: ForkRequest, request_hash: bytes, key: str | None) -> Run:
    run_id, parent = new_id(), plan.parent
    given = encode_capped(plan.input, max_bytes=conf().input_max_bytes, what="the input")
    return Run(
        id=run_id,
        root_id=run_id,
        team_id=parent.team_id,
        agent=plan.version.agent,
        agent_version=plan.version,
        title=parent.title,
        tags=parent.tags,
        queue=plan.version.agent.queue,
        priority=parent.priority,
        concurrency_key=parent.concurrency_key,
        node=plan.point.node,
        node_seq=FIRST_SEQ,
        effect_mode=plan.mode.value,
        input=given.body,
        input_codec=given.codec,
        forked_from=parent,
        forked_from_seq=plan.point.seq,
        idempotency_key=key,
        request_hash=request_hash,
        created_by=actor.name[:200],
    )


def _branch(actor: Actor, plan: ForkPlan, run: Run, request: ForkRequest, macs: Iterable[bytes]) -> Branch:
    changes: dict[str, Any] = {"version": plan.version.number}
    if request.state_patch is not None:
        changes["state_patch"] = clean_json(list(request.state_patch))
    if request.has_input:
        changes["input"] = sorted(plan.input) if isinstance(plan.input, dict) else []
    if plan.edited:
        changes["outputs"] = sorted(plan.edited)
    branch = Branch(
        run=run, number=run.branch, team_id=run.team_id, cause="fork", effect_mode=plan.mode.value,
        from_run_id=plan.parent.pk, from_title=plan.parent.title, from_seq=plan.point.seq,
        checkpoint_seq=plan.point.checkpoint_seq, from_hash=plan.checkpoint_hash, node=plan.point.node,
        first_seq=FIRST_SEQ, changes=changes, reason=str(clean_json(request.reason))[:MAX_REASON_CHARACTERS],
        by=actor.name[:200],
    )  # fmt: skip
    branch.reuse_hash = seal_of(branch, macs)
    return branch


def _digest(run_id: UUID, request: ForkRequest) -> bytes:
    """Return what makes two requests the same one (PROTOCOL 28)."""
    outputs = {str(seq): value for seq, value in (request.outputs or {}).items()}
    try:
        asked: Any = [
            str(run_id), request.seq, request.effect_mode, request.reason, request.version, request.keep_signals,
            list(request.state_patch) if request.state_patch is not None else None, request.has_input, request.input, outputs,
        ]  # fmt: skip
        return digest(clean_json(asked))
    except ValueError as error:
        raise InvalidInputError(f"the request is not JSON: {error}") from error


def _earlier(actor: Actor, key: str | None, request_hash: bytes) -> Run | None:
    """Return the run that this very request has made before.

    Raises: IdempotencyConflictError when it was another request.
    """
    found = Run.objects.filter(team_id=actor.team_id, idempotency_key=key) if key else Run.objects.none()
    run = found.select_related("agent", "agent_version").first()
    if run is not None and bytes(run.request_hash) != request_hash:
        told = (
            f"the idempotency key {key!r} already started run {run.pk} with another request; use another key"
        )
        raise IdempotencyConflictError(told, run_id=str(run.pk))
    return run


def _check_key(key: str | None) -> None:
    if key is not None and (not 1 <= len(key) <= 200 or clean_json(key) != key):
        told = "must have 1 to 200 characters, without NUL"
        raise InvalidInputError(
            f"the idempotency key {told}", errors=[{"pointer": "/idempotency_key", "message": told}]
        )
