"""Settle a write that people were asked about: what is left when all who must decide have decided."""

from typing import Any, Literal
from uuid import UUID

from django.db.models.functions import Now

from agentops.common.canonical import clean_json
from agentops.common.conf import conf
from agentops.common.errors import ConflictError, IllegalMoveError, InvalidInputError
from agentops.common.ids import new_token
from agentops.common.transactions import after_commit, transaction
from agentops.common.types import JsonValue
from runs import broadcasts, dispatch
from runs.checkpoints.blobs import put, shelved
from runs.checkpoints.chain import outcome_mac
from runs.checkpoints.codec import encode_capped
from runs.desk import the_desk
from runs.engine.states import Move, RunStatus, legal_moves, target
from runs.json_schema import check
from runs.models import Intent, Outcome, Run, Step
from runs.selectors.tools import output_schema_of

Answer = Literal["ran", "did_not_run", "run_again", "allow", "refuse"]
ANSWERS: dict[str, tuple[Answer, ...]] = {
    "unknown": ("ran", "did_not_run", "run_again"),
    "asked": ("allow", "refuse", "ran"),
}


def settle_step(
    *,
    run_id: UUID,
    seq: int,
    by: str,
    outcome: Answer,
    reason: str,
    output: Any = None,
    version: int | None = None,
) -> None:
    """Settle the step with what `by` answered; see resolve_step, which is the door to it.

    The run is queued, unless people are asked about other actions of the same turn: they are done together.

    Raises: IllegalMoveError; ConflictError when the run's epoch is another than `version`; InvalidInputError.
    Locks: the run row. Transaction: opens one.
    """
    value = _checked_output(run_id, seq, outcome, output)
    with transaction():
        run = Run.objects.select_for_update().get(pk=run_id)
        step = questioned(run, seq)
        if version is not None and run.epoch != version:
            raise ConflictError(
                "the run went on meanwhile; load it again", version=run.epoch, run_status=run.status
            )
        check_answer(step, outcome)
        if outcome in ("run_again", "allow"):
            _call(step)
        else:
            _settle(run, step, outcome, value, f"{by}: {reason}")
        the_desk().closed(run_id, seq)
        if (other := _also_asked(step)) is None:
            _queue(run)
        else:
            _wait_for(run, other)


def _checked_output(run_id: UUID, seq: int, outcome: Answer, output: Any) -> JsonValue:
    value = clean_json(output)
    name = Step.objects.filter(run_id=run_id, seq=seq).values_list("name", flat=True).first()
    schema = output_schema_of(name) if outcome == "ran" and name else None
    if schema is not None:
        check(value, schema, what="the output")
    return value


def questioned(run: Run, seq: int) -> Step:
    """Return the step that people are asked about.

    Raises: IllegalMoveError
    """
    step = Step.objects.filter(run_id=run.pk, seq=seq, branch=run.branch, status__in=list(ANSWERS)).first()
    if step is None or run.status != "awaiting_approval":
        raise IllegalMoveError(
            f"nothing is asked about step {seq}",
            run_status=run.status,
            legal=legal_moves(RunStatus(run.status)),
        )
    return step


def check_answer(step: Step, outcome: Answer) -> None:
    """Refuse what is no answer to what is asked about the step."""
    possible = ANSWERS[step.status]
    if outcome not in possible:
        told = f"step {step.seq} is {step.status}; answer {', '.join(possible)}"
        raise InvalidInputError(told, errors=[{"pointer": "/outcome", "message": told}])


def _call(step: Step) -> None:
    calls = Intent.objects.values_list("calls", flat=True).get(run_id=step.run_id, seq=step.seq)
    Step.objects.filter(run_id=step.run_id, seq=step.seq).update(
        status="running", attempts=calls, due_at=None, token=new_token()
    )


def _settle(run: Run, step: Step, outcome: Answer, value: JsonValue, who: str) -> None:
    code, told = _FAILURES.get(outcome, ("", ""))
    body: JsonValue = {"code": code, "message": told.format(who=who)} if code else value
    encoded = shelved(run.team_id, encode_capped(body, max_bytes=conf().value_max_bytes, what="the output"))
    if encoded.blob is not None:
        put(run.team_id, encoded)
    row = Outcome.objects.get(run_id=run.pk, seq=step.seq)
    status = "failed" if code else "succeeded"
    mac = outcome_mac(
        run.team_id, run.pk, step.seq, bytes(row.request_hash), encoded.codec, encoded.body,
        status=status, riders=row.riders,
    )  # fmt: skip
    Outcome.objects.filter(run_id=run.pk, seq=step.seq).update(
        body=encoded.body, body_codec=encoded.codec, mac=mac
    )
    Step.objects.filter(run_id=run.pk, seq=step.seq).update(
        status=status, error_code=code, ended_at=Now(), attempts=step.attempts + 1, token=new_token()
    )
    _settle_intent(step, who)


def _settle_intent(step: Step, who: str) -> None:
    """Note who answered, beside what a late worker reported."""
    found = Intent.objects.filter(run_id=step.run_id, seq=step.seq)
    for told in found.select_for_update().values_list("evidence", flat=True):
        found.update(settled_at=Now(), evidence={**(told or {}), "answered_by": who})


_FAILURES = {
    "did_not_run": ("did_not_run", "it did not happen ({who})"),
    "refuse": ("refused", "a person refused it ({who})"),
}


def _also_asked(step: Step) -> Step | None:
    """Return another action of the same node that people are asked about, if any."""
    asked = Step.objects.filter(
        run_id=step.run_id, parent_seq=step.parent_seq, branch=step.branch, status="asked", is_superseded=False
    )  # fmt: skip
    return asked.exclude(seq=step.seq).order_by("seq").first()


def _wait_for(run: Run, step: Step) -> None:
    waiting_on = {"kind": "permission", "seq": step.seq, "text": f"may {step.name} be called?"}
    Run.objects.filter(pk=run.pk).update(waiting_on=waiting_on)
    after_commit(lambda: broadcasts.hint(run.team_id, run.pk))


def _queue(run: Run) -> None:
    run.status = target(Move.ANSWER).value
    Run.objects.filter(pk=run.pk).update(status=run.status, waiting_on=None, queued_at=Now())
    after_commit(lambda: dispatch.poke(run.queue))
    after_commit(lambda: broadcasts.hint(run.team_id, run.pk))
