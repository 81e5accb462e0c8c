"""What pruning would take away now."""

from collections.abc import Sequence

from django.db import OperationalError, connection

from agentops.accounts.roles import Actor, Scope
from agentops.common.transactions import transaction
from runs.archives.tables import bytes_of, table
from runs.engine.retention import Act, Rule
from runs.selectors.prunable import GONE, POINT, prunable_runs
from runs.selectors.retention import DueRun, DueSum, due_runs, rules_instead

# Bytes of more runs than these are not counted, nor is looked for any longer than this: it is a page that asks.
MEASURED_RUNS = 200
LOOKED_RUNS = 2_000
LOOK_MS = 1_500

_POINTS = f"""
WITH points AS (
    SELECT r.id AS run_id, r.node_seq, greatest(({POINT.format(days="%(days)s::int")}),
        (SELECT k.seq FROM runs_cut k WHERE k.run_id = r.id)) AS seq
    FROM runs_run r WHERE r.id = ANY(%(ids)s::uuid[])),
due AS (
    SELECT p.run_id, p.seq, coalesce((SELECT min(s.seq) FROM runs_step s
        WHERE s.run_id = p.run_id AND s.seq > p.seq AND s.kind = 'node'), p.node_seq) AS first_seq FROM points p)
"""  # noqa: S608 -- constants
_PART = "(SELECT coalesce(sum({bytes}), 0) FROM due d JOIN {table} x ON x.run_id = d.run_id AND {condition})"


def prune_sums_for(actor: Actor, *, instead: Rule | None = None) -> list[DueSum] | None:
    """Return what the policies would prune now, each apart; None when looking takes too long.

    Args:
        actor: whose team's.
        instead: a policy as it would be, in place of the one with its id, or of its agent and status.

    Runs that go whole are not among them. Beyond MEASURED_RUNS runs are counted without their bytes, beyond LOOKED_RUNS not
    at all. Raises: NotAllowedError. Transaction: opens one, for the limit of time.
    """
    actor.require(Scope.READ)
    rules = rules_instead(actor.team_id, instead=instead)
    if not any(rule.prune_days and rule.is_on for rule in rules):
        return []
    try:
        with transaction():
            with connection.cursor() as cursor:
                cursor.execute("SELECT set_config('statement_timeout', %s, true)", [str(LOOK_MS)])
            whole = due_runs(actor.team_id, rules, behind=None, limit=LOOKED_RUNS)
            going = {run.run_id for run in whole if not run.is_kept}
            found = prunable_runs(actor.team_id, rules, behind=None, limit=LOOKED_RUNS)
            return _summed([run for run in found if run.run_id not in going])
    except OperationalError:  # the time-out
        return None


def _summed(runs: Sequence[DueRun]) -> list[DueSum]:
    by_rule: dict[Rule, list[DueRun]] = {}
    for run in runs:
        by_rule.setdefault(run.rule, []).append(run)
    return [_sum(rule, found) for rule, found in by_rule.items()]


def _sum(rule: Rule, runs: Sequence[DueRun]) -> DueSum:
    ids = [run.run_id for run in runs if not run.is_kept]
    parts = (
        _PART.format(
            bytes=bytes_of(model, "x"),
            table=table(model),
            condition=condition.format(first_seq="d.first_seq", seq="d.seq"),
        )
        for model, condition in GONE
    )
    with connection.cursor() as cursor:
        cursor.execute(
            f"{_POINTS} SELECT {' + '.join(parts)}", {"ids": ids[:MEASURED_RUNS], "days": rule.prune_days}
        )
        (n_bytes,) = cursor.fetchone()
    n_kept, n_unmeasured = len(runs) - len(ids), max(0, len(ids) - MEASURED_RUNS)
    return DueSum(rule, Act.PRUNE, len(ids), n_kept, int(n_bytes), 0, n_unmeasured)
