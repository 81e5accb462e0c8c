"""The run list over very many runs: `python -m benchmarks.lists --runs 1000000 --steps 10`.

Runs and steps are inserted by SQL, shaped like those of a busy month: nine in ten succeeded, a few failed, some are
alive; titles of common and rare words; tags, batches, retries and costs. Each query is asked ROUNDS times of the page
as a browser gets it, and of the chart with the filters that it fetches then. Prints JSON lines: median and 95th
percentile in milliseconds.
"""

import argparse
import os
import time
from collections.abc import Iterator, Mapping
from typing import Any

import psycopg

from benchmarks.figures import Figures, emit, percentile, versions
from benchmarks.servers import servers

ROUNDS = 40
QUERIES = {
    "all": "",
    "status": "status:failed",
    "rare status": "status:awaiting_approval,paused",
    "agent": "agent:agent-3",
    "agent and status": "agent:agent-3 status:failed",
    "common word": "audit",
    "rare word": "zephyr",
    "beginning of two words": "aud num99",
    "id": "run:{id}",
    "tag": "tag:prod",
    "rare tag": "tag:canary",
    "not a tag, failed": "status:failed -tag:prod",
    "health": "is:stuck",
    "time": "created:-2d..-1d",
    "active": "active:yesterday status:failed,cancelled",
    "cost": "cost:>4.9",
    "costs nobody has": "cost:>5000",
    "retries of a node": "retries:>3 node:login",
    "longest first": "agent:agent-7 sort:-duration",
    "a step": "step(tool:tool-7 attempts:>=3)",
    "either": "(status:failed OR tag:canary) -agent:agent-1",
    "nobody's word": "nobodyswordatall",
}

_RUNS = """
INSERT INTO runs_run (id, team_id, agent_id, agent_version_id, title, tags, batch_id, queue, priority, status, health,
    control, paused_from, queued_at, epoch, claims, worker_id, lost_together, lost_alone, is_isolated, branch, head_seq, head_hash,
    node, node_seq, node_attempt, attempts_before, progress_note, n_steps, n_retries, n_failed_steps, cost_microusd,
    tokens_in, tokens_out, input, input_codec, output_codec, error, ended_by, end_reason, root_id, request_hash,
    created_by, created_at, started_at, ended_at)
SELECT id, %(team)s, agents[1 + n %% 20], versions[1 + n %% 20],
    (ARRAY['Audit', 'Review', 'Digest', 'Filing', 'Report'])[1 + (h %% 5)] || ' of num' || n || '-' || (h %% 1000)
        || CASE WHEN n %% 25000 = 7 THEN ' zephyr' ELSE '' END,
    CASE WHEN h %% 4 = 0 THEN ARRAY['prod'] WHEN n %% 20000 = 11 THEN ARRAY['canary'] ELSE '{}' END,
    CASE WHEN h %% 10 = 0 THEN 'batch-' || n / 1000 ELSE '' END, 'default', 0, status,
    CASE WHEN status = 'sleeping' AND h %% 7 = 0 THEN ARRAY['stuck'] ELSE '{}' END,
    '', '', at, 1, 1, CASE WHEN status = 'running' THEN id END, 0, 0, false, 1, %(steps)s, '\\x00'::bytea,
    (ARRAY['plan', 'read', 'login', 'write'])[1 + (h %% 4)], %(steps)s, 1, 0, '', %(steps)s, h %% 5, (h %% 9 = 0)::int,
    (h %% 500) * 10000, h %% 9000, h %% 700, decode(repeat('7b22726f6f74223a2268747470227d', 20), 'hex'), 0, 0,
    CASE WHEN status = 'failed' THEN '{"code": "timeout", "message": "nobody answered", "node": "login"}'::jsonb END,
    '', '', id, '\\x00'::bytea, 'ada', at, at + interval '1 second',
    CASE WHEN status IN ('succeeded', 'failed', 'cancelled') THEN at + (h %% 4000) * interval '1 second' END
FROM (SELECT n, abs(hashint8(n)) AS h, gen_random_uuid() AS id,
        clock_timestamp() - (%(runs)s - n) * (interval '30 days' / %(runs)s) AS at,
        CASE WHEN n %% 33 = 0 THEN 'failed' WHEN n %% 97 = 0 THEN 'cancelled' WHEN n %% 211 = 0 THEN 'sleeping'
            WHEN n %% 1999 = 0 THEN 'awaiting_approval' WHEN n %% 2999 = 0 THEN 'paused' WHEN n %% 997 = 0 THEN 'running'
            ELSE 'succeeded' END AS status
    FROM generate_series(1, %(runs)s) AS n) AS made,
    (SELECT array_agg(a.id ORDER BY a.slug) AS agents, array_agg(v.id ORDER BY a.slug) AS versions
     FROM runs_agent a JOIN runs_agentversion v ON v.agent_id = a.id WHERE a.team_id = %(team)s) AS known
"""
_STEPS = """
INSERT INTO runs_step (run_id, seq, team_id, parent_seq, branch, depth, ordinal, node_attempt, kind, name, effect, status,
    is_superseded, summary, attempts, error_code, cost_microusd, tokens_in, tokens_out, epoch, token, started_at, ended_at)
SELECT r.id, seq, r.team_id, CASE WHEN seq %% 2 = 0 THEN seq - 1 ELSE 0 END, 1, (seq %% 2 = 0)::int, 0, 1,
    CASE WHEN seq %% 2 = 0 THEN 'tool' ELSE 'node' END, CASE WHEN seq %% 2 = 0 THEN 'tool-' || (r.n_retries * 2) ELSE 'read' END, '',
    'succeeded', false, 'page', 1 + r.n_retries %% 4, '', 0, 0, 0, 1, r.id, r.created_at, r.created_at
FROM runs_run r, generate_series(1, %(steps)s) AS seq WHERE r.team_id = %(team)s
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=1_000_000)
    parser.add_argument("--steps", type=int, default=10, help="of each run")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    given = parser.parse_args()
    with servers() as environment:
        os.environ |= environment_of(environment)
        for name, figures in measured(given.runs, given.steps, given.rounds):
            emit("lists", name, figures, versions("django", "psycopg"))


def measured(n_runs: int, n_steps: int, n_rounds: int) -> Iterator[tuple[str, Figures]]:
    """Fill the database unless it is filled, and yield the figures of each query."""
    import django

    django.setup()
    from django.core.management import call_command
    from django.test import Client

    from agentops.accounts.models import User
    from runs.models import Run

    call_command("migrate", verbosity=0)
    if not Run.objects.exists():
        fill(n_runs, n_steps)
    client = Client(headers={"host": "localhost"})
    client.force_login(User.objects.get(username="ada"))
    some_id = str(
        Run.objects.order_by("-created_at")[n_runs // 2 : n_runs // 2 + 1].values_list("id", flat=True)[0]
    )
    for name, query in QUERIES.items():
        asked = query.replace("{id}", some_id)
        for part, address in (("page", "/runs"), ("overview", "/runs/overview")):
            seconds_of(client, address, asked)  # what is asked for once a process is not the page's
            yield name, figures_of(part, [seconds_of(client, address, asked) for _ in range(n_rounds)])


def seconds_of(client: Any, address: str, query: str) -> float:
    began = time.perf_counter()
    answer = client.get(
        address, {"q": query}, headers={"HX-Request": "true", "HX-Target": address.rpartition("/")[2]}
    )
    assert answer.status_code == 200, answer.content[:300]
    return time.perf_counter() - began


def figures_of(part: str, seconds: list[float]) -> Figures:
    return {f"{part}_p{at}": (round(percentile(seconds, at) * 1e3, 1), "ms") for at in (50, 95)}


def fill(n_runs: int, n_steps: int) -> None:
    """Make a team with twenty agents, the runs and their steps, and let the planner know of them."""
    from django.db import connection

    from agentops.accounts.roles import Role
    from agentops.accounts.services.add_member import add_member
    from runs.models import Agent, AgentVersion

    team = add_member(
        team_slug="bench", team_name="Bench", username="ada", email="ada@example.org", role=Role.ADMIN
    ).team
    for n in range(20):
        agent = Agent.objects.create(team=team, slug=f"agent-{n}", title=f"Agent {n}")
        AgentVersion.objects.create(
            team=team, agent=agent, number=1, program="p", program_version="1", source_hash="0"
        )
    values: dict[str, Any] = {"team": team.pk, "runs": n_runs, "steps": n_steps}
    with connection.cursor() as cursor:
        cursor.execute(_RUNS, values)
        cursor.execute(_STEPS, values)
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as direct:
        direct.execute("VACUUM (ANALYZE)")


def environment_of(found: Mapping[str, str]) -> dict[str, str]:
    return {
        "DATABASE_URL": found["BENCH_POSTGRES"].format(database="postgres"), "REDIS_URL": found["BENCH_REDIS"],
        "SECRET_KEY": "a benchmark's own secret key of fifty characters at least", "AGENTOPS_INTEGRITY_KEY": "bench",
        "DJANGO_SETTINGS_MODULE": "agentops.settings", "AGENTOPS_HOME": "/nonexistent",
    }  # fmt: skip


if __name__ == "__main__":
    main()
