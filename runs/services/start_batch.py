"""Start a run for each of many inputs, under one batch id; more may follow under the same id, days later."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from agentops.accounts.roles import Actor, Scope
from agentops.common.errors import IdempotencyConflictError
from agentops.common.transactions import after_commit
from runs import dispatch
from runs.models import AgentVersion, Run
from runs.selectors.agents import version_for
from runs.selectors.runs import runs_of
from runs.services.checks import MAX_TAG_CHARACTERS, check_text, misfit
from runs.services.insert_runs import PAGE, insert_runs
from runs.services.new_runs import StartRequest, built_run, check_request, checked_inputs
from runs.services.note_batch import note_batch

MAX_INPUTS = 1000
MAX_INDEX = 1 << 31


@dataclass(frozen=True, slots=True)
class StartedBatch:
    """The runs of the inputs, in order; `n_new` of them were started by this call."""

    run_ids: list[UUID]
    n_new: int


def start_batch(  # noqa: PLR0913 -- the fields of the contract's request, keyword-only
    *,
    actor: Actor,
    agent: str,
    inputs: Sequence[Any],
    batch_id: str,
    first_index: int = 0,
    version: int | None = None,
    priority: int = 0,
    tags: Sequence[str] = (),
    title: str | None = None,
    queue: str | None = None,
    concurrency_key: str | None = None,
) -> StartedBatch:
    """Return the runs of the inputs, each started once however often it is asked for.

    Args:
        actor: on whose behalf; needs the scope `run`.
        agent: slug of an agent of the team.
        inputs: 1 to MAX_INPUTS; each must fit the version's schema.
        batch_id: what the runs belong to.
        first_index: the index of the first input in its batch. The same index again is the same run; to add to a batch,
            go on behind its last.
        version: the number of a version; the newest published one when None.
        priority: of the runs.
        tags: words to find them by.
        title: what people call them; by default the program says.
        queue: whose workers execute them; the agent's when None.
        concurrency_key: what only so many runs are executed for at once; for each as the agent's code makes it of the input
            when None.

    Raises:
        NotFoundError: no such agent or version.
        InvalidInputError: something does not fit, with pointers such as /inputs/3/root; nothing was started.
        IdempotencyConflictError: an index was used with another request; nothing was started, but for a race.
        ConflictError: the agent's code is not installed here.

    Transaction: none open; one statement a page of inputs.
    """
    actor.require(Scope.RUN)
    _check(inputs, batch_id, first_index)
    chosen = version_for(actor, agent, version)
    pointers = [f"/inputs/{n}" for n in range(len(inputs))]
    values = checked_inputs(inputs, chosen.input_schema, what=f"the input of {agent}", pointers=pointers)
    requests = [
        StartRequest(
            agent=agent, input=value, version=version, priority=priority, tags=list(tags), batch_id=batch_id,
            title=title, deadline=None, callback_url=None, queue=queue, concurrency_key=concurrency_key,
        )
        for value in values
    ]  # fmt: skip
    check_request(requests[0])
    keys = [_key(batch_id, first_index + n) for n in range(len(inputs))]
    earlier = _stored(actor, keys, requests)
    note_batch(actor=actor, name=batch_id)
    n_new = _insert(actor, chosen, dict(zip(keys, requests, strict=True)), skip=set(earlier))
    stored = earlier if len(earlier) == len(keys) else _stored(actor, keys, requests)
    return StartedBatch([stored[key] for key in keys], n_new)


def _check(inputs: Sequence[Any], batch_id: str, first_index: int) -> None:
    check_text("/batch_id", batch_id, MAX_TAG_CHARACTERS)
    if not 0 <= first_index < MAX_INDEX:
        raise misfit("/first_index", f"must be from 0 to {MAX_INDEX - 1:,}")
    if not 1 <= len(inputs) <= MAX_INPUTS:
        told = f"must hold 1 to {MAX_INPUTS:,} inputs, it holds {len(inputs):,}; send more under the same batch_id"
        raise misfit("/inputs", told)


def _insert(actor: Actor, version: AgentVersion, requests: dict[str, StartRequest], *, skip: set[str]) -> int:
    runs: list[Run] = [
        built_run(team_id=actor.team_id, created_by=actor.name, version=version, request=request, key=key)
        for key, request in requests.items()
        if key not in skip
    ]
    n_new = sum(insert_runs(runs[start : start + PAGE]) for start in range(0, len(runs), PAGE))
    if n_new:
        after_commit(lambda: dispatch.poke(runs[0].queue))
    return n_new


def _stored(actor: Actor, keys: list[str], requests: list[StartRequest]) -> dict[str, UUID]:
    """Return the runs that stand under the keys.

    Raises: IdempotencyConflictError when one was started by another request.
    """
    rows = (
        runs_of(actor).filter(idempotency_key__in=keys).values_list("idempotency_key", "id", "request_hash")
    )
    found = {str(key): (run_id, bytes(request_hash)) for key, run_id, request_hash in rows}
    clashes = [
        {"pointer": f"/inputs/{n}", "message": f"run {found[key][0]} was started under this index"}
        for n, (key, request) in enumerate(zip(keys, requests, strict=True))
        if key in found and found[key][1] != request.digest()
    ]
    if clashes:
        raise IdempotencyConflictError(
            f"{len(clashes):,} of the inputs stand under an index of the batch that another request has used, the first at "
            f"{clashes[0]['pointer']}; send the same request again, or go on behind the last index with first_index",
            errors=clashes[:50],
        )
    return {key: run_id for key, (run_id, _) in found.items()}


def _key(batch_id: str, index: int) -> str:
    return "batch_" + hashlib.sha256(f"{batch_id}\0{index}".encode()).hexdigest()[:32]
