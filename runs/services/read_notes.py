"""The notes that a run reads at its next turn."""

from typing import Any
from uuid import UUID

from runs.journal.fence import query

_NOTES = """
SELECT n, "do", text, sent_by FROM runs_nudge WHERE run_id = %(run_id)s AND n > %(after)s ORDER BY n LIMIT 20
"""


def notes_of(run_id: UUID, after: int) -> list[dict[str, Any]]:
    """Return the notes behind the number `after`, the first twenty, in their order."""
    rows = query(_NOTES, {"run_id": run_id, "after": after})
    return [{"n": n, "do": do, "text": text, "by": by} for n, do, text, by in rows]
