"""Start the child runs that an action asks for: once, however often its node runs."""

import hashlib
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from agentops.accounts.roles import Actor, Scope
from agentops.common.conf import conf
from agentops.common.errors import InvalidInputError
from agentops.common.transactions import after_commit
from agentops.common.types import JsonValue
from runs import dispatch
from runs.engine.children import inputs_of
from runs.engine.journal import Execute
from runs.engine.reuse import Mode
from runs.engine.states import RunStatus
from runs.journal.actions import Place
from runs.journal.fence import Lease, Row, persist, query
from runs.models import AgentVersion, Run
from runs.selectors.agents import version_for
from runs.services.insert_runs import PAGE, insert_runs
from runs.services.new_runs import (
    MAX_TITLE_CHARACTERS,
    StartRequest,
    built_run,
    check_request,
    checked_inputs,
)
from runs.services.note_batch import note_batch

_PARENT = "SELECT root_id, depth, priority, created_by, effect_mode FROM runs_run WHERE id = %(run_id)s"
_TURN = {"kind": "turn", "text": "its turn among the children of its parent"}
# What an earlier attempt of the node started and is still good is taken over; the fan-out that it belonged to is over.
_ADOPT = """
WITH found AS (
    SELECT id, parent_seq FROM runs_run WHERE team_id = %(team_id)s AND idempotency_key = ANY(%(keys)s::text[])
        AND parent_id = %(run_id)s AND parent_seq <> %(seq)s
        AND (%(is_any)s OR ended_at IS NULL OR status = 'succeeded')),
over AS (
    UPDATE runs_fanout SET done_at = clock_timestamp(), is_told = true
    WHERE run_id = %(run_id)s AND done_at IS NULL AND seq IN (SELECT parent_seq FROM found) RETURNING id),
taken AS (
    UPDATE runs_run SET parent_seq = %(seq)s, is_told = is_told AND ended_at IS NOT NULL
    WHERE id IN (SELECT id FROM found) AND (SELECT count(*) FROM over) >= 0 RETURNING id)
SELECT count(*) FROM taken
"""
_STARTED = (
    "SELECT id, child_n FROM runs_run WHERE parent_id = %(run_id)s AND parent_seq = %(seq)s ORDER BY child_n"
)


def start_children(lease: Lease, place: Place, action: Execute) -> list[UUID]:
    """Return the ids of the children that the action asks for, in order; those that stand already are found again.

    Children that the action waits for stand in line until admit_children lets them begin; another begins at once. A later
    attempt of the node takes over what an earlier one started, unless that has ended without success.

    Raises: NotFoundError, InvalidInputError with pointers, TooLargeError, ConflictError; LeaseLost.
    Locks: the parent's row while children are inserted. Transaction: none open; one statement a page.
    """
    runs = _planned(lease, place, action)
    for start in range(0, len(runs), PAGE):
        _insert(lease, place, action, runs[start : start + PAGE])
    if not _is_waited(action):
        after_commit(lambda: dispatch.poke(runs[0].queue))
    return [row[0] for row in _started(lease, action)]


def _planned(lease: Lease, place: Place, action: Execute) -> list[Run]:
    """Return the runs to insert, checked."""
    args: dict[str, Any] = dict(action.request.args)
    [parent] = persist(lambda: query(_PARENT, {"run_id": lease.run_id}))
    _check_depth(parent[1] + 1)
    actor = Actor(lease.team_id, None, parent[3] or "an agent", frozenset(Scope))
    version = persist(lambda: version_for(actor, action.request.name, args.get("version")))
    values = inputs_of(args)
    pointers = [f"/inputs/{n}" for n in range(len(values))] if "inputs" in args else ["/input"]
    what = f"the input of {action.request.name}"
    inputs = checked_inputs(values, version.input_schema, what=what, pointers=pointers)
    requests = [_request(args, action.request.name, value, parent) for value in inputs]
    check_request(requests[0])
    if requests[0].batch_id:
        persist(lambda: note_batch(actor=actor, name=requests[0].batch_id))
    return [_child(lease, place, action, n, _built(actor, version, request, args, n, len(inputs)), parent)
            for n, request in enumerate(requests)]  # fmt: skip


def _request(args: dict[str, Any], agent: str, value: JsonValue, parent: Row) -> StartRequest:
    return StartRequest(
        agent=agent, input=value, version=args.get("version"), priority=args["priority"] if "priority" in args else parent[2],
        tags=list(args.get("tags", ())), batch_id=args.get("batch_id", ""), title=args.get("title"), deadline=None,
        callback_url=None,
    )  # fmt: skip


def _built(
    actor: Actor, version: AgentVersion, request: StartRequest, args: dict[str, Any], n: int, total: int
) -> Run:
    run = built_run(team_id=actor.team_id, created_by=actor.name, version=version, request=request)
    if request.title and "inputs" in args:
        number = f" {n + 1:,} of {total:,}"
        run.title = request.title[: MAX_TITLE_CHARACTERS - len(number)] + number
    return run


def _child(lease: Lease, place: Place, action: Execute, n: int, run: Run, parent: Row) -> Run:
    run.parent_id, run.parent_seq = lease.run_id, action.seq
    run.root_id, run.depth = parent[0], parent[1] + 1
    run.effect_mode = parent[4] if parent[4] in (Mode.RECORDED, Mode.DRY) else ""
    run.on_parent_end = str(action.request.args["on_parent_end"])
    run.idempotency_key = _key(lease, place, action, n, place.node_attempt)
    if _is_waited(action):
        run.child_n, run.is_in_line = n, True
        run.status, run.waiting_on = RunStatus.WAITING.value, dict(_TURN)
    return run


def _insert(lease: Lease, place: Place, action: Execute, runs: Sequence[Run]) -> None:
    """Insert the runs of a page that nobody has inserted, after taking over what earlier attempts left."""
    if place.node_attempt > 1:
        earlier = [
            _key(lease, place, action, run.child_n or 0, attempt)
            for run in runs
            for attempt in range(1, place.node_attempt)
        ]
        _adopt(lease, action, earlier, is_any=False)
        taken = {row[1] or 0 for row in _started(lease, action)}
        runs = [run for run in runs if (run.child_n or 0) not in taken]
    if insert_runs(runs, under=lease) < len(runs):
        _adopt(lease, action, [str(run.idempotency_key) for run in runs], is_any=True)


def _adopt(lease: Lease, action: Execute, keys: list[str], *, is_any: bool) -> None:
    params = {
        "team_id": lease.team_id,
        "run_id": lease.run_id,
        "seq": action.seq,
        "keys": keys,
        "is_any": is_any,
    }
    persist(lambda: query(_ADOPT, params))


def _started(lease: Lease, action: Execute) -> list[Row]:
    return persist(lambda: query(_STARTED, {"run_id": lease.run_id, "seq": action.seq}))


def _is_waited(action: Execute) -> bool:
    return "timeout_seconds" in action.request.args


def _check_depth(depth: int) -> None:
    limit = conf().child_max_depth
    if depth > limit:
        raise InvalidInputError(
            f"the child would stand {depth} levels below the root of its tree; at most {limit} are allowed "
            "(child_max_depth). An agent that starts its own kind needs an end to that",
            errors=[{"pointer": "", "message": f"a tree of runs has at most {limit} levels"}],
        )


def _key(lease: Lease, place: Place, action: Execute, n: int, attempt: int) -> str:
    """Return the identity of one child: by the place and request of the action that starts it, and the node's attempt."""
    parts = [
        lease.team_id,
        lease.run_id,
        place.node_seq,
        action.ordinal,
        action.request_hash.hex(),
        attempt,
        n,
    ]
    return "child_" + hashlib.sha256("\0".join(map(str, parts)).encode()).hexdigest()[:32]
