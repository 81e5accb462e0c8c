"""Ten thousand open requests, and a clock that is in time for them."""

from datetime import timedelta

import orjson
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from agentops.notify.models import Notice
from approvals.engine.sla import policy_data, policy_of
from approvals.services.fire_timers import fire_timers
from runs.journal.fence import query
from runs.selectors.schedules import database_now
from tests.personas import World

pytestmark = pytest.mark.django_db

N = 10_000
DUE_EACH_SECOND = 200
MOST_STATEMENTS = 60

_OPEN = """
WITH r AS (
    INSERT INTO approvals_request (id, team_id, run_id, seq, kind, agent, run_title, node, action, effect, tool_version,
        summary, reason, args_digest, evidence, signature, stages, delegations)
    SELECT gen_random_uuid(), %(team_id)s, gen_random_uuid(), n, 'ask', 'a', '', '', 'x', '', '', 's', '', '', '{}', '',
        '[{"quantifier": "any"}]', '[]' FROM generate_series(0, %(n)s - 1) AS n RETURNING id, team_id, seq),
s AS (
    INSERT INTO approvals_sla (request_id, team_id, queue, policy, elapsed_seconds, since, opened_at, pause_reason, paused_by)
    SELECT id, team_id, '', %(policy)s::jsonb, 0, clock_timestamp(), clock_timestamp(), '', '' FROM r)
INSERT INTO approvals_slatimer (request_id, kind, n, at_seconds, due_at)
SELECT id, 'remind', 50, 1800, %(now)s::timestamptz + make_interval(secs => seq / %(each)s) FROM r RETURNING n
"""


def test_what_is_due_among_ten_thousand_fires_in_few_statements(world: World) -> None:
    """So it fires in time: two hundred in each second are far more than as many requests bring in their hours."""
    now = database_now()
    policy = policy_data(policy_of({"name": "P", "decision_seconds": 3600, "reminders": [50]}))
    values = {"team_id": world.analytical.pk, "n": N, "policy": orjson.dumps(policy).decode(), "now": now.isoformat(),
              "each": DUE_EACH_SECOND}  # fmt: skip
    assert len(query(_OPEN, values)) == N
    with CaptureQueriesContext(connection) as statements:
        assert fire_timers(now) == DUE_EACH_SECOND
        assert fire_timers(now + timedelta(seconds=2)) == 2 * DUE_EACH_SECOND
    assert Notice.objects.count() == 3 * DUE_EACH_SECOND
    assert len(statements) <= MOST_STATEMENTS, "what is due goes in batches"
