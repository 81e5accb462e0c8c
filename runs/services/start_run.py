"""Start a run: everything is checked first, then one INSERT makes it exist."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from agentops.accounts.roles import Actor, Scope
from agentops.common.errors import IdempotencyConflictError
from agentops.common.transactions import after_commit, transaction
from runs import broadcasts, dispatch
from runs.engine.budgets import BudgetScope, Period
from runs.journal.purses import forget_known
from runs.json_schema import check
from runs.models import Budget, Run
from runs.selectors.agents import version_for
from runs.services.checks import cleaned, misfit
from runs.services.insert_run import insert_run
from runs.services.new_runs import StartRequest, built_run, check_request
from runs.services.note_batch import note_batch


def start_run(  # noqa: PLR0913 -- the fields of the contract's request, keyword-only
    *,
    actor: Actor,
    agent: str,
    input: Any,  # noqa: A002 -- the word of the contract
    version: int | None = None,
    idempotency_key: str | None = None,
    priority: int = 0,
    tags: Sequence[str] = (),
    batch_id: str = "",
    title: str | None = None,
    deadline: datetime | None = None,
    callback_url: str | None = None,
    queue: str | None = None,
    concurrency_key: str | None = None,
    budget: Mapping[str, int | None] | None = None,
) -> tuple[Run, bool]:
    """Return the run, and whether this call has made it.

    Args:
        actor: on whose behalf; needs the scope `run`.
        agent: slug of an agent of the team.
        input: the first state, which must fit the version's schema.
        version: the number of a version; the newest published one when None.
        idempotency_key: a second call with this key of the team returns the first one's run.
        priority: runs with a higher one are claimed first, -100 to 100.
        tags: words to find it by.
        batch_id: what it belongs to.
        title: what people call it; by default the program says.
        deadline: when it should be done, with a time zone.
        callback_url: where its end is told to; http or https, at a public address.
        queue: whose workers execute it; the agent's when None.
        concurrency_key: what only so many runs are executed for at once (Limit); as the agent's code makes it of the input
            when None, nothing when empty.
        budget: what it may spend of each unit with its children, at most (runs.engine.budgets).

    Raises:
        NotFoundError: no such agent or version.
        InvalidInputError: something does not fit, with pointers.
        IdempotencyConflictError: the key was used with another request.
        ConflictError: the agent's code is not installed here.

    Transaction: none open; one statement, with a budget one of two. Worker and pages are told after it.
    """
    actor.require(Scope.RUN)
    deadline = _utc(deadline)
    request = StartRequest(
        agent=agent,
        input=cleaned(input, what="the input"),
        version=version,
        priority=priority,
        tags=list(tags),
        batch_id=batch_id,
        title=title,
        deadline=deadline.isoformat() if deadline else None,
        callback_url=callback_url,
        queue=queue,
        concurrency_key=concurrency_key,
        budget=None if budget is None else {unit: n for unit, n in budget.items() if n is not None},
    )
    check_request(request, idempotency_key)
    request_hash = request.digest()
    earlier = _earlier(actor, idempotency_key) if idempotency_key else None
    if earlier:
        return _same_request(earlier, request_hash), False
    chosen = version_for(actor, agent, version)
    check(request.input, chosen.input_schema, what=f"the input of {agent}")
    run = built_run(
        team_id=actor.team_id, created_by=actor.name, version=chosen, request=request, deadline=deadline,
        key=idempotency_key,
    )  # fmt: skip
    if batch_id:
        note_batch(actor=actor, name=batch_id)
    stored = _inserted(actor, run, request.budget)
    return _same_request(stored, request_hash), stored.id == run.id


def _earlier(actor: Actor, idempotency_key: str) -> Run | None:
    found = Run.objects.filter(team_id=actor.team_id, idempotency_key=idempotency_key)
    return found.select_related("agent", "agent_version").defer("input", "output").first()


def _same_request(run: Run, request_hash: bytes) -> Run:
    """Return the run if that request is what started it.

    Raises: IdempotencyConflictError
    """
    if bytes(run.request_hash) != request_hash:
        raise IdempotencyConflictError(
            f"the idempotency key {run.idempotency_key!r} already started run {run.id} with another request; "
            "send the same request again, or another key",
            run_id=str(run.id),
        )
    return run


def _inserted(actor: Actor, run: Run, budget: dict[str, int] | None) -> Run:
    """Return the row that stands now: this run, or the one that took its idempotency key a moment before."""
    if insert_run(run) if budget is None else _inserted_with(actor, run, budget):
        after_commit(lambda: dispatch.poke(run.queue))
        after_commit(lambda: broadcasts.hint(run.team_id, run.id))
        return run
    stored = _earlier(actor, str(run.idempotency_key))
    assert stored, "a row with this key has just been committed by another"
    return stored


def _inserted_with(actor: Actor, run: Run, budget: dict[str, int]) -> bool:
    """Return whether the row was made, and its budget with it."""
    with transaction():
        if not insert_run(run):
            return False
        limits, who = {unit: {"hard": amount} for unit, amount in budget.items()}, actor.name[:200]
        Budget.objects.create(
            team_id=run.team_id, scope=BudgetScope.RUN, name=str(run.id), run=run, period=Period.FOREVER, limits=limits,
            created_by=who, updated_by=who,
        )  # fmt: skip
    forget_known(run.team_id)
    return True


def _utc(deadline: datetime | None) -> datetime | None:
    if deadline is None:
        return None
    if deadline.tzinfo is None:
        raise misfit("/deadline", "needs a time zone, such as 2026-01-31T12:00:00Z")
    try:
        return deadline.astimezone(UTC)
    except OverflowError:
        raise misfit("/deadline", "is not between the years 1 and 9999") from None
