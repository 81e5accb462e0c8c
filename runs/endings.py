"""What is told of a run that has ended, to callbacks and in events."""

from typing import Any

import orjson

from agentops.common.types import JsonValue
from runs.checkpoints.blobs import load
from runs.checkpoints.codec import Codec
from runs.models import Run

INLINE_OUTPUT_BYTES = 16 << 10
MAX_MESSAGE_CHARACTERS = 2000


def told_of_end(run: Run) -> dict[str, Any]:
    """Return what others are told of a run that has ended: how, by whom, what it put out and what it cost.

    Instants are datetimes. An output of more than INLINE_OUTPUT_BYTES is left out; `output_url` says where it is.
    """
    address = f"/api/v1/runs/{run.pk}"
    output, is_left_out = _output(run)
    return {
        "id": run.pk, "url": address, "status": run.status, "agent": run.agent.slug,
        "version": run.agent_version.number, "title": run.title, "tags": run.tags, "batch_id": run.batch_id,
        "output": output, "output_url": f"{address}/output" if is_left_out else None, "error": _error(run),
        "ended_by": run.ended_by, "end_reason": run.end_reason, "steps": run.n_steps,
        "cost_microusd": run.cost_microusd, "created_at": run.created_at, "started_at": run.started_at,
        "ended_at": run.ended_at,
    }  # fmt: skip


def _output(run: Run) -> tuple[JsonValue, bool]:
    """Return the output, and whether there is one that is left out: too long, or not what was written."""
    if run.output is None:
        return None, False
    if run.output_codec == Codec.BLOB:
        return None, True
    try:
        value = load(run.output_codec, run.output)
    except ValueError:
        return None, True
    is_long = len(orjson.dumps(value)) > INLINE_OUTPUT_BYTES
    return (None, True) if is_long else (value, False)


def _error(run: Run) -> dict[str, Any] | None:
    """Return code and sentence; the traceback stays here."""
    if run.error is None:
        return None
    message = str(run.error.get("message", ""))[:MAX_MESSAGE_CHARACTERS]
    return {"code": run.error.get("code"), "message": message, "seq": run.error.get("seq")}
