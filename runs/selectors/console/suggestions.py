"""Values that runs have, for the query that is being typed."""

from django.db import connection

from agentops.accounts.roles import Actor, Scope
from runs.search.suggest import OBSERVED, Option, Spot, options_at

NEWEST_RUNS = 2000
MAX_VALUES = 200

_VALUES = {
    "agent": "(SELECT a.slug FROM runs_agent a WHERE a.id = w.agent_id)",
    "tag": "unnest(w.tags)", "node": "w.node", "queue": "w.queue", "batch": "w.batch_id", "user": "w.created_by",
    "error": "w.error->>'code'",
}  # fmt: skip
_OBSERVED = """
    SELECT value, count(*) FROM (
        SELECT {value} AS value FROM (
            SELECT agent_id, tags, node, queue, batch_id, created_by, error FROM runs_run WHERE team_id = %s
            ORDER BY created_at DESC, id DESC LIMIT %s
        ) AS w
    ) AS seen WHERE value <> '' GROUP BY value ORDER BY count(*) DESC, value LIMIT %s
"""


def suggestions_for(actor: Actor, spot: Spot) -> list[Option]:
    """Return what may stand in the spot; values of open keys are those of the team's newest runs."""
    actor.require(Scope.READ)
    if spot.scope or spot.key not in OBSERVED:
        return options_at(spot)
    with connection.cursor() as cursor:
        cursor.execute(_OBSERVED.format(value=_VALUES[spot.key]), [actor.team_id, NEWEST_RUNS, MAX_VALUES])
        return options_at(spot, cursor.fetchall())
