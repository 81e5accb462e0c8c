"""Send a message to one run. It is kept until the run asks for it."""

from typing import Any
from uuid import UUID

from agentops.accounts.roles import Actor, Scope
from agentops.common.canonical import digest
from agentops.common.conf import conf
from agentops.common.errors import IdempotencyConflictError, IllegalMoveError
from agentops.common.transactions import after_commit, transaction
from runs import broadcasts
from runs.engine.states import TERMINAL, RunStatus
from runs.models import Run, Signal
from runs.selectors.runs import run_for
from runs.services.incoming import checked_payload, checked_text
from runs.services.settle_waits import settle_waits


def send_signal(
    *, actor: Actor, run_id: UUID, name: str, payload: Any = None, delivery_id: str = ""
) -> tuple[Signal, int, bool]:
    """Return the signal, how many waits of the run it ended, and whether it is new.

    A run takes its signals in the order of their arrival, each once, when it asks for them. `delivery_id` is the
    sender's number: a second signal to the run under it changes nothing.

    Raises: NotFoundError; NotAllowedError; InvalidInputError; TooLargeError; IllegalMoveError when the run has ended;
        IdempotencyConflictError when the number was used for something else.
    Transaction: opens one for the signal, then that of settle_waits (PROTOCOL 16).
    """
    actor.require(Scope.RUN)
    run = run_for(actor, run_id)
    fields = {
        "name": checked_text("/name", name), "delivery_id": checked_text("/id", delivery_id, may_be_empty=True),
        "payload": checked_payload(payload, max_bytes=conf().input_max_bytes),
    }  # fmt: skip
    signal = Signal(run=run, team_id=run.team_id, sender=actor.name[:200], digest=digest(fields), **fields)
    stored = _stored(run, signal)
    n_closed = settle_waits([run.id]) if stored.id == signal.id else 0
    return stored, n_closed, stored.id == signal.id


def _stored(run: Run, signal: Signal) -> Signal:
    with transaction():
        if RunStatus(run.status) in TERMINAL:
            raise IllegalMoveError(
                f"run {run.id} has ended ({run.status}): it hears nothing more",
                run_status=run.status,
                legal=[],
            )
        Signal.objects.bulk_create([signal], ignore_conflicts=bool(signal.delivery_id))
        after_commit(lambda: broadcasts.hint(run.team_id, run.id))
    if not signal.delivery_id:
        return signal
    stored = Signal.objects.get(run=run, delivery_id=signal.delivery_id)
    if bytes(stored.digest) != signal.digest:
        raise IdempotencyConflictError(
            f"the signal id {signal.delivery_id!r} was delivered before with another content; "
            "send the same again, or another id",
            signal_id=str(stored.id),
        )
    return stored
