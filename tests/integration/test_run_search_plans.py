"""No search of runs reads a whole table: told by the database's own plans, over enough rows for the planner to choose."""

import json
from collections.abc import Callable, Container, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import connection

from agentops.accounts.roles import Actor, Role
from agentops.accounts.selectors import actor_of_user
from runs.models import AgentVersion, Run
from runs.search.suggest import spot_at
from runs.selectors import run_counts_for, run_list_for
from runs.selectors.bulk import preview_for
from runs.selectors.console.found_overview import overview_for
from runs.selectors.console.lists import agents_with_counts
from runs.selectors.console.suggestions import suggestions_for
from tests.ui import builders
from tests.ui.builders import RunBuilder

pytestmark = pytest.mark.django_db

BIG = {"runs_run", "runs_step", "runs_stuckstate", "runs_runtext", "runs_runvalue"}
N_RUNS, N_STEPS = 40_000, 3
_COPY = """
INSERT INTO runs_run ({columns}) SELECT {values} FROM runs_run r, generate_series(1, %s) AS n WHERE r.id = %s
"""
_STEPS = """
INSERT INTO runs_step (run_id, seq, team_id, parent_seq, branch, depth, node_attempt, kind, name, effect, status, is_superseded,
    summary, attempts, error_code, cost_microusd, tokens_in, tokens_out, epoch, token)
SELECT id, seq, team_id, 0, 1, 0, 1, 'tool', 'tool-' || (seq + n_retries), '', 'succeeded', false, '', 1, '', 0, 0, 0, 1, id
FROM runs_run, generate_series(1, %s) AS seq
"""
_EPISODES = """
INSERT INTO runs_stuckstate (id, team_id, run_id, agent_id, reason, node, error, text, fingerprint, from_at, to_at, from_seq, upto_seq, branch)
SELECT gen_random_uuid(), team_id, id, agent_id, 'looping', 'node' || (n_retries * 100 + cost_microusd % 100), '', 'saw num' || n_retries,
    '1-' || n_retries, created_at, CASE WHEN random() < 0.99 THEN created_at + interval '1 minute' END, 0, 0, 1
FROM runs_run WHERE n_retries < 4
"""
_TEXTS = """
INSERT INTO runs_runtext (run_id, team_id, words) SELECT id, team_id, to_tsvector('simple', title) FROM runs_run
"""
_VALUES = """
INSERT INTO runs_runvalue (run_id, team_id, path, value) SELECT id, team_id, 'case', title FROM runs_run
"""
_CHANGED = {
    "id": "gen_random_uuid()", "root_id": "gen_random_uuid()", "idempotency_key": "NULL",
    "created_at": "r.created_at - n * interval '20 seconds'", "title": "'Audit of num' || n",
    "status": "CASE WHEN n %% 30 = 0 THEN 'failed' WHEN n %% 5000 = 0 THEN 'paused' ELSE 'succeeded' END",
    "tags": "CASE WHEN n %% 4 = 0 THEN ARRAY['prod'] WHEN n %% 9999 = 0 THEN ARRAY['canary'] ELSE '{}' END",
    "health": "CASE WHEN n %% 4001 = 0 THEN ARRAY['stuck'] ELSE '{}' END", "n_retries": "n %% 7",
}  # fmt: skip


@pytest.fixture
def ada() -> Actor:
    found = actor_of_user(builders.a_person(builders.a_team(), role=Role.ADMIN))
    assert found
    return found


@pytest.fixture
def many(ada: Actor) -> AgentVersion:
    """Insert many runs of a team and of its neighbour."""
    version = builders.an_agent(builders.a_team())
    for owner in (version, builders.an_agent(builders.a_team("neighbour"))):
        first = RunBuilder(owner).save()
        names = [str(field.column) for field in Run._meta.concrete_fields]
        values = ", ".join(_CHANGED.get(name, f"r.{name}") for name in names)
        with connection.cursor() as cursor:
            cursor.execute(_COPY.format(columns=", ".join(names), values=values), [N_RUNS // 2, first.pk])
    with connection.cursor() as cursor:
        cursor.execute(_STEPS, [N_STEPS])
        for statement in (_EPISODES, _TEXTS, _VALUES):
            cursor.execute(statement)
        cursor.execute("ANALYZE runs_run, runs_step, runs_stuckstate, runs_runtext, runs_runvalue")
    return version


@contextmanager
def plans() -> Iterator[list[tuple[str, Any]]]:
    """Yield the statements that are executed inside, each with the plan that it had then and there."""
    found: list[tuple[str, Any]] = []

    def explain(
        execute: Callable[..., Any], sql: str, params: Any, many: bool, context: dict[str, Any]
    ) -> Any:
        if (
            sql.lstrip().startswith(("SELECT", "WITH"))
            and ("runs_" in sql or "approvals_" in sql)
            and "set_config" not in sql
        ):
            with connection.connection.cursor() as own:
                own.execute(f"EXPLAIN (FORMAT JSON) {sql}", params)
                plan = own.fetchone()[0]
            found.append((sql, plan if isinstance(plan, list) else json.loads(plan)))
        return execute(sql, params, many, context)

    with connection.execute_wrapper(explain):
        yield found


def whole_tables(plan: Any, big: Container[object] = BIG) -> Iterator[str]:
    """Yield the big tables that a plan reads from one end to the other."""
    if isinstance(plan, list):
        for part in plan:
            yield from whole_tables(part, big)
    elif isinstance(plan, dict):
        if plan.get("Node Type") == "Seq Scan" and plan.get("Relation Name") in big:
            yield str(plan["Relation Name"])
        for part in plan.values():
            yield from whole_tables(part, big)


QUERIES = [
    "", "status:failed", "status:paused,failed", "agent:site-research", "agent:site-research status:failed", "audit", "num777",
    "aud num12", '"of num99"', "nobodyswordatall", "-audit", "tag:prod", "tag:canary", "tag:none", "tag:can*", "is:stuck", "is:open",
    "health:retrying", "created:-1d", "created:2020-01-31", "active:yesterday", "ended:-1h", "age:>3d", "cost:>5000", "retries:6 node:plan",
    "duration:>1d", "batch:b", "user:@me", "error:timeout", "parent:any", "fork:0190ffff", "run:0190ffff", "root:0190ffff",
    "step(tool:tool-2)", "step(tool:nobodys attempts:>3)", "sort:created", "sort:-cost", "sort:-duration status:failed",
    "(status:failed OR tag:canary) -num1", "num777 OR tag:canary", "0190ffff",
    "stuck(node:node1 at:yesterday)", "stuck(node:node1)", "stuck(at:yesterday)", "stuck(at:now)", "stuck(is:open reason:looping)",
    "stuck(fingerprint:1-3)", "stuck(num3)", "stuck(nobodys)", "-stuck(node:node1)", "stuck(node:node1) OR tag:canary",
    "stuck(agent:site-research resolution:failed)", "content:num777", "content:nobodys -status:failed", 'state.case:"Audit of num7"',
    "state.case:any", "state.other:1",
]  # fmt: skip


def test_no_search_reads_a_whole_table(ada: Actor, many: AgentVersion) -> None:
    told = []
    for text in QUERIES:
        for name, ask in (
            ("page", lambda text=text: run_list_for(ada, text=text)),
            ("overview", lambda text=text: overview_for(ada, text)),
            ("preview", lambda text=text: preview_for(ada, "cancel", query=text)),
        ):
            with plans() as found:
                ask()
            assert found
            told += [
                f"{name} of {text!r}: {table} by {sql[:300]}"
                for sql, plan in found
                for table in whole_tables(plan)
            ]
    assert told == []


def test_nor_do_counts_and_suggestions(ada: Actor, many: AgentVersion) -> None:
    with plans() as found:
        run_counts_for(ada)
        agents_with_counts(ada)
        for text in ("agent:", "tag:", "node:", "user:", "error:", "batch:", "queue:"):
            suggestions_for(ada, spot_at(text, len(text)))
    assert [(sql[:300], table) for sql, plan in found for table in whole_tables(plan)] == []


def test_a_search_without_an_index_would_be_noticed(ada: Actor, many: AgentVersion) -> None:
    with plans() as found:
        assert not Run.objects.filter(title__iregex=r"\mnobody").exists()
    assert [table for _sql, plan in found for table in whole_tables(plan)] == ["runs_run"]


def test_episodes_are_found_from_their_own_side(ada: Actor, many: AgentVersion) -> None:
    """A rare episode among many runs is looked up, not walked to."""
    with plans() as found:
        page = run_list_for(ada, text="stuck(node:node1)")
    assert page.looked_back_to is None
    assert any("stuck_at_node" in json.dumps(plan) for _sql, plan in found)
