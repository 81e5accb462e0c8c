"""Do what an action of the kind `child_run` asks for: start children, take note of how they ended, read their outputs."""

from typing import Any
from uuid import UUID

from agentops.common.conf import conf
from agentops.common.errors import AgentOpsError, InvalidInputError
from agentops.common.types import JsonObject
from runs.checkpoints.chain import IntegrityError
from runs.engine.journal import Execute
from runs.engine.states import TERMINAL
from runs.engine.waits import Verdict, verdict
from runs.journal.actions import Place
from runs.journal.children import children_text, load_children, outputs_of, own_children
from runs.journal.fence import Lease
from runs.services.calling import Tried, error_document
from runs.services.flag_integrity import flag_integrity
from runs.services.start_child import start_children

SHOWN_FAILURES = 3


def tried_children(lease: Lease, place: Place, action: Execute) -> Tried:
    """Return what came of the action; for one that waits and has just begun, nothing but that it stands.

    Raises: LeaseLost.
    """
    args = action.request.args
    try:
        if "run_ids" in args:
            return Tried(1, output=_outputs(lease, [UUID(str(found)) for found in _list(args["run_ids"])]))
        if action.is_begun:
            return _ended(lease, action)
        ids = start_children(lease, place, action)
    except AgentOpsError as error:
        return Tried(1, error=error_document(error) | {"errors": error.data.get("errors", [])})
    except IntegrityError as error:
        flag_integrity(run_id=error.run_id, text=str(error), last_good_seq=error.last_good_seq)
        return Tried(1, error={"code": "integrity_failed", "message": f"child {error}"})
    return Tried(1, output={"run_id": str(ids[0]), "agent": action.request.name})


def _ended(lease: Lease, action: Execute) -> Tried:
    """Return the children as they ended, or why the action has failed."""
    ended, args = verdict(action.waits), action.request.args
    assert isinstance(ended, Verdict)
    text = children_text(action.request)
    if ended.cancelled_by is not None:
        told = f"{ended.cancelled_by or 'a person'} cancelled the wait for {text}"
        return Tried(1, error={"code": "wait_cancelled", "message": told})
    children = load_children(lease, action.seq, max_bytes=conf().children_max_bytes)
    if ended.is_timed_out:
        n_open = sum(1 for child in children if child["status"] not in TERMINAL)
        told = f"{n_open:,} of {len(children):,} child runs had not ended when the time was over; they go on"
        return Tried(1, error={"code": "wait_timeout", "message": told})
    failed = [child for child in children if child["status"] != "succeeded"]
    if len(children) - len(failed) < int(str(args["min_successes"])):
        return Tried(
            1, error={"code": "child_failed", "message": _told(text, failed, is_many=len(children) > 1)}
        )
    return Tried(1, output={"children": list(children)})


def _told(text: str, failed: list[JsonObject], *, is_many: bool) -> str:
    """Return which children did not succeed and why: first those that failed, then those that were ended for it."""
    ordered = sorted(failed, key=lambda child: child["status"] != "failed")
    shown = "; ".join(
        f"run {child['run_id']} {child['status']}: {_error(child)}" for child in ordered[:SHOWN_FAILURES]
    )
    more = f"; and {len(failed) - SHOWN_FAILURES:,} more" if len(failed) > SHOWN_FAILURES else ""
    which = f"{len(failed):,} of {text}" if is_many else f"the {text}"
    return f"{which} did not succeed: {shown}{more}"


def _error(child: JsonObject) -> Any:
    error = child["error"]
    assert isinstance(error, dict)
    return error["message"]


def _outputs(lease: Lease, ids: list[UUID]) -> list[Any]:
    strangers = set(ids) - own_children(lease, ids)
    if strangers:
        raise InvalidInputError(f"run {min(strangers)} is no child of this run", errors=[])
    outputs = outputs_of(lease, ids)
    return [outputs.get(run_id) for run_id in ids]


def _list(value: Any) -> list[Any]:
    assert isinstance(value, list)
    return value
