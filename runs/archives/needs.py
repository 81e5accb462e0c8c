"""Why a run that has ended is kept all the same: conditions in SQL over `r`, each with the words for it.

A plug-in adds its own from AppConfig.ready, for rows of its own that need the run.
"""

from uuid import UUID

from runs.journal.fence import execute

_HELD = (
    "EXISTS (SELECT 1 FROM runs_runhold h WHERE h.run_id = r.id AND h.kind {kinds}"
    " AND (h.until_at IS NULL OR h.until_at > clock_timestamp()))"
)
_ABOVE = (
    "r.parent_id IS NOT NULL AND EXISTS (SELECT 1 FROM runs_run p WHERE p.id IN (r.parent_id, r.root_id)"
    " AND p.ended_at IS NULL)"
)
_BELOW = (
    "EXISTS (WITH RECURSIVE t AS (SELECT c.id, c.ended_at FROM runs_run c WHERE c.parent_id = r.id"
    " UNION ALL SELECT c.id, c.ended_at FROM runs_run c JOIN t ON c.parent_id = t.id)"
    " SELECT 1 FROM t WHERE ended_at IS NULL)"
)
_TELLING = (
    "r.is_parent OR (r.callback_url IS NOT NULL AND r.callback_ended_at IS DISTINCT FROM r.ended_at)"
    " OR EXISTS (SELECT 1 FROM runs_callback c WHERE c.run_id = r.id AND c.state IN ('due', 'sending'))"
    " OR EXISTS (SELECT 1 FROM runs_reservation v WHERE v.run_id = r.id)"
)

# These keep an open run from being pruned, too.
_HOLDS: dict[str, str] = {
    "a legal hold": _HELD.format(kinds="= 'legal'"),
    "a pin": _HELD.format(kinds="<> 'legal'"),
    "stored rows that fail their check are evidence": "'integrity_failed' = ANY(r.health)",
}
_needs: dict[str, str] = {
    **_HOLDS,
    "a run of its family goes on": f"({_ABOVE}) OR {_BELOW}",
    "its end is still being told": _TELLING,
}


def add_need(words: str, condition: str) -> None:
    """Keep every run `r` for which the SQL condition holds; the same words again take the place of the first."""
    _needs[words] = condition


def is_needed(*, of_open: bool = False) -> str:
    """Return the SQL condition that something needs the run `r`; of an open run only its old steps are asked for."""
    needs = _HOLDS if of_open else _needs
    return "(" + " OR ".join(f"({condition})" for condition in needs.values()) + ")"


def why_needed(run_id: UUID) -> str:
    """Return the words for what needs the run; empty when nothing does."""
    cases = " ".join(f"WHEN {condition} THEN '{words}'" for words, condition in _needs.items())
    sql = f"SELECT CASE {cases} ELSE '' END FROM runs_run r WHERE r.id = %(run_id)s"  # noqa: S608 -- constants
    row = execute(sql, {"run_id": run_id})
    return str(row[0]) if row else ""
