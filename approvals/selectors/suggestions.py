"""Values that requests have, for the query that is being typed."""

from dataclasses import replace

from django.db import connection

from agentops.accounts.roles import Actor, Scope
from approvals.search import SCOPE
from runs.search.suggest import Option, Spot, options_at

NEWEST_REQUESTS = 2000
MAX_VALUES = 200

_USER = "(SELECT u.username FROM accounts_user u WHERE u.id = w.{})"
_VALUES = {
    "tool": "w.action", "agent": "w.agent", "rule": "w.rule->>'name'", "by": "w.closed_by", "signature": "w.signature",
    "queue": "(SELECT q.slug FROM approvals_queue q WHERE q.id = w.queue_id)", "holder": _USER.format("claimed_by_id"),
    "user": _USER.format("initiator_id"),
}  # fmt: skip
_OBSERVED = """
    SELECT value, count(*) FROM (
        SELECT {value} AS value FROM (
            SELECT action, agent, rule, closed_by, signature, queue_id, claimed_by_id, initiator_id FROM approvals_request
            WHERE team_id = %s ORDER BY closed_at DESC, id DESC LIMIT %s
        ) AS w
    ) AS seen WHERE value <> '' GROUP BY value ORDER BY count(*) DESC, value LIMIT %s
"""


def suggestions_for(actor: Actor, spot: Spot) -> list[Option]:
    """Return what may stand in the spot of the desk's query; values of open keys are those of open requests and the newest."""
    actor.require(Scope.READ)
    inside = replace(spot, scope=SCOPE)
    if spot.scope or spot.key not in _VALUES:
        return options_at(inside)
    with connection.cursor() as cursor:
        cursor.execute(
            _OBSERVED.format(value=_VALUES[spot.key]), [actor.team_id, NEWEST_REQUESTS, MAX_VALUES]
        )
        return options_at(inside, cursor.fetchall())
