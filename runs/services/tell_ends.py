"""Make a callback for each end of a run that is to be told and is not yet.

No statement that ends a run knows of this: ends are found by looking, so that none is missed, whatever ended the run
and whatever died a moment later.
"""

from typing import Any

import orjson

from agentops.common.ids import new_id
from runs.endings import told_of_end
from runs.journal.fence import execute
from runs.models import Run
from runs.models.run import UNTOLD_END
from runs.tools.exchange import place_of

EVENT = "run.ended"

# Guarded by the very end that the body tells of: of two who look at once one makes the callback, and an end that a
# retry has undone meanwhile is not told.
_TELL = """
WITH r AS (
    UPDATE runs_run SET callback_ended_at = ended_at
    WHERE id = %(run_id)s AND ended_at = %(ended_at)s::timestamptz AND callback_url IS NOT NULL
        AND callback_ended_at IS DISTINCT FROM ended_at
    RETURNING id, team_id, callback_url, status, ended_at)
INSERT INTO runs_callback (id, run_id, team_id, url, host, run_status, ended_at, body, state, attempts, attempts_before)
SELECT %(id)s, id, team_id, callback_url, %(host)s, status, ended_at, %(body)s, 'due', 0, 0 FROM r
RETURNING id
"""


def tell_ends(limit: int = 100) -> int:
    """Make the callbacks of at most `limit` ends, the oldest first; returns how many ends were looked at.

    Any number of processes may do it at once. Transaction: none open; one statement an end.
    """
    runs = (
        Run.objects.filter(UNTOLD_END).select_related("agent", "agent_version").order_by("ended_at")[:limit]
    )
    for run in runs:
        assert run.callback_url, "the condition says so"
        host, port = place_of(run.callback_url)
        values = {
            "id": new_id(),
            "run_id": run.pk,
            "ended_at": str(run.ended_at),
            "host": f"{host}:{port}"[:300],
        }
        execute(_TELL, values | {"body": orjson.dumps(_message(run), option=orjson.OPT_UTC_Z)})
    return len(runs)


def _message(run: Run) -> dict[str, Any]:
    return {"type": EVENT, "timestamp": run.ended_at, "run": told_of_end(run)}
