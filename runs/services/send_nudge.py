"""Leave a note for a run, which it reads at its next turn."""

from typing import Literal
from uuid import UUID

from agentops.accounts.roles import Actor, Scope
from agentops.audit.services.record import record
from agentops.common.canonical import clean_json
from agentops.common.errors import ConflictError, IllegalMoveError
from agentops.common.transactions import after_commit, transaction
from runs import broadcasts
from runs.engine.errors import EngineError
from runs.engine.states import TERMINAL, RunStatus
from runs.models import Nudge, Run
from runs.selectors.runs import run_for
from runs.services.versions import program_of

MAX_TEXT_CHARACTERS = 2000
HINT = "You repeat yourself. Do something else, ask a person, or finish and say what is missing."


def send_nudge(
    *, actor: Actor, run_id: UUID, reason: str = "", do: Literal["nudge", "hand_off"] = "nudge"
) -> Run:
    """Return the run, which will read the note (`reason`) at its next turn, or begin a fresh session there.

    Raises: NotFoundError, NotAllowedError; IllegalMoveError when the run has ended; ConflictError when its agent reads
        no notes: one of a language model does.
    Locks: the run row. Transaction: opens one.
    """
    actor.require(Scope.RUN)
    run = run_for(actor, run_id)
    if RunStatus(run.status) in TERMINAL:
        raise IllegalMoveError(f"run {run_id} has ended: it reads no notes", run_status=run.status, legal=[])
    if not _reads_notes(run):
        raise ConflictError("its agent is not driven by a language model, so it reads no notes")
    text = str(clean_json(reason)).strip()[:MAX_TEXT_CHARACTERS] or HINT
    with transaction():
        Run.objects.select_for_update(no_key=True).only("id").get(pk=run_id)
        n = Nudge.objects.filter(run_id=run_id).count() + 1
        Nudge.objects.create(run=run, n=n, team_id=run.team_id, do=do, text=text, sent_by=actor.name[:200])
        record(actor=actor, action=f"run.{do}", subject=f"run:{run_id}", detail={"reason": text})
        after_commit(lambda: broadcasts.hint(run.team_id, run_id))
    return run


def ask_for_handoff(*, actor: Actor, run_id: UUID, reason: str = "") -> Run:
    """Return the run, which begins a fresh session at its next turn; see send_nudge."""
    return send_nudge(actor=actor, run_id=run_id, reason=reason, do="hand_off")


def _reads_notes(run: Run) -> bool:
    try:
        return program_of(run.agent_version_id)[1].reads_notes
    except EngineError:
        return False
