"""The second look: whether what a person went by is still true, right before what they allowed happens."""

from agentops.common.canonical import clean_json
from agentops.common.types import JsonObject, JsonValue
from runs.engine.premises import FAILED, LOOK, UNAVAILABLE, changed, told
from runs.engine.tools import ToolCall
from runs.journal.actions import Entry
from runs.journal.fence import Lease
from runs.services.calling import Tried, call_tool
from runs.tools.registry import get_tool


def second_look(lease: Lease, entry: Entry) -> Tried | None:
    """Return None when every premise of the action holds, else why it is not called: the premise, or nobody can look.

    It is made each time before the action begins, and never recorded for another time. A write that is in question
    is not judged by it: what it would find may be what the write itself has done. Where an earlier call may have happened
    nobody knows what to do, and a person is asked.
    """
    action = entry.action
    if not action.request.premises or entry.is_served or action.is_in_flight:
        return None
    found = _look(lease, entry)
    moved = [] if found.error else changed(action.request.premises, _values(found))
    if not found.error and not moved:
        return None
    error: JsonObject = found.error or {"code": FAILED, "message": told(moved), "premises": moved}
    if action.attempts:
        return Tried(action.attempts, is_unknown=True, logs=[f"not called again: {error['message']}"])
    return Tried(0, error=error, failed=found.failed)


def _look(lease: Lease, entry: Entry) -> Tried:
    """Look at the premises now; what takes longer to come back than a moment is not waited for here."""
    spec, action = get_tool(LOOK), entry.action
    stated = clean_json([{**it, "value": None} for it in action.request.premises if isinstance(it, dict)])
    call = ToolCall(lease.team_id, lease.run_id, action.seq, 0, "", spec.timeout_seconds)
    found = call_tool(spec, {"premises": stated}, call, attempts=0, confirm=lambda: None)
    if found.retry_seconds is not None:
        last = found.failed[-1]
        found.error = {"code": UNAVAILABLE, "message": last["message"]}
    return found


def _values(found: Tried) -> list[JsonValue]:
    assert isinstance(found.output, list)
    return found.output
