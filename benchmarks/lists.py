"""Searches over very many runs: `python -m benchmarks.lists --runs 1000000 --steps 10 [--save]`.

Runs, steps, stuck states and words of last states are inserted by SQL, shaped like those of a busy month: nine in ten
succeeded, a few failed, some are alive, every tenth was stuck once; titles of common and rare words; tags, batches, retries
and costs. Each query is asked ROUNDS times of the page as a browser gets it, and of the chart with the filters that it
fetches then; those about stuck states of their own page, too. Prints JSON lines: median and 95th percentile in milliseconds,
and how often a big table was read from one end to the other. Ends with 1 when one of them is over the limit.
"""

import argparse
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import psycopg

from benchmarks.figures import Figures, emit, percentile, versions
from benchmarks.report import save
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
    "stuck now at a node": "is:stuck node:login agent:agent-3 created:-30d",
    "stuck at login yesterday": "stuck(node:login at:yesterday)",
    "stuck at login yesterday, not failed": "stuck(node:login at:yesterday) -status:failed",
    "was stuck for long": "stuck(reason:looping duration:>40m from:-7d)",
    "stuck, ended by me": "stuck(resolution:resumed by:@me)",
    "words of a stuck state": 'stuck("portal sent 503")',
    "rare word of a stuck state": "stuck(xylophone)",
    "common word of last states": "content:portal",
    "rare word of last states": "content:xylophone",
    "a phrase of last states": 'content:"captcha blocks num777"',
    "a value of last states": "state.order.country:DE",
    "a rare value of last states": "state.case:case-777",
    "dear, not production": "cost:>4.9 -tag:prod sort:-cost",
    "its tree": "root:{id}",
    "failed three times on one tool": "step(tool:tool-8 status:failed attempts:>=3)",
    "asked for and overdue": "approval(is:open due:-1h)",
}
STUCK = {
    "kinds of trouble": "/stuck",
    "past kinds of trouble": "/stuck?view=past",
    "kinds at login yesterday": "/stuck?view=any&q=node:login+at:yesterday",
    "kinds by rare words": "/stuck?view=any&q=xylophone",
    "one kind of trouble": "/stuck/{fingerprint}",
}
BIG = ("runs_run", "runs_step", "runs_stuckstate", "runs_runtext", "runs_runvalue")

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
_EPISODES = """
INSERT INTO runs_stuckstate (id, team_id, run_id, agent_id, reason, node, error, text, fingerprint, from_at, to_at, opened_at, from_seq,
    upto_seq, branch, resolution, resolved_by, taken)
SELECT gen_random_uuid(), team_id, id, agent_id, reason, node, error, text, '1-' || md5(reason || node || error || h %% 30), at,
    CASE WHEN is_over THEN at + (h %% 4000) * interval '1 second' END, at + interval '5 seconds', 1, 9, 1,
    CASE WHEN is_over THEN (ARRAY['moved_on', 'resumed', 'cancelled'])[1 + h %% 3] ELSE '' END,
    CASE WHEN is_over AND h %% 3 = 1 THEN created_by ELSE '' END, '[]'
FROM (SELECT r.id, r.team_id, r.agent_id, r.node, r.created_by, abs(hashtextextended(r.id::text, 1)) AS h, r.created_at + interval '1 minute' AS at,
        r.ended_at IS NOT NULL AS is_over, (ARRAY['looping', 'stuck', 'stalled'])[1 + r.n_retries %% 3] AS reason,
        CASE WHEN r.n_retries %% 2 = 0 THEN 'http_<n>: portal sent <n>' ELSE '' END AS error,
        'portal sent 503 to ' || r.title || CASE WHEN r.title LIKE '%% zephyr' THEN ' xylophone' ELSE '' END AS text
    FROM runs_run r WHERE r.team_id = %(team)s AND ('stuck' = ANY(r.health) OR r.title LIKE '%% zephyr'
        OR substr(r.id::text, 1, 2) < '1a')) AS r
"""
_KINDS = """
INSERT INTO runs_stuckkind (team_id, fingerprint, reason, node, error, n_episodes, first_at, last_at)
SELECT team_id, fingerprint, min(reason), min(node), min(error), count(*), min(from_at), max(from_at) FROM runs_stuckstate
GROUP BY team_id, fingerprint
"""
_TEXTS = """
INSERT INTO runs_runtext (run_id, team_id, words)
SELECT id, team_id, to_tsvector('simple', title || ' the portal says that a captcha blocks num' || n_steps * 77 || ' of ' || batch_id
    || ' and asks for patience ' || CASE WHEN title LIKE '%% zephyr' THEN 'xylophone' ELSE '' END)
FROM runs_run WHERE team_id = %(team)s AND ended_at IS NOT NULL
"""
_VALUES = """
INSERT INTO runs_runvalue (run_id, team_id, path, value)
SELECT id, team_id, path, value FROM runs_run r,
    LATERAL (VALUES ('case', 'case-' || substring(r.title FROM 'num([0-9]+)')),
        ('order.country', (ARRAY['DE', 'FR', 'US', 'JP', 'BR'])[1 + r.n_retries])) AS told(path, value)
WHERE r.team_id = %(team)s AND r.ended_at IS NOT NULL
"""
_READ_WHOLE = "SELECT coalesce(sum(seq_scan), 0) FROM pg_stat_user_tables WHERE relname = ANY(%s)"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=1_000_000)
    parser.add_argument("--steps", type=int, default=10, help="of each run")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--most-ms", type=float, default=150, help="what no 95th percentile may exceed")
    parser.add_argument("--save", action="store_true", help="write benchmarks/results/<date>.json and .md")
    given = parser.parse_args()
    known, lines, wrong = versions("django", "psycopg"), [], []
    with servers() as environment:
        os.environ |= environment_of(environment)
        busy = round(os.getloadavg()[0], 1)
        for name, figures in measured(given.runs, given.steps, given.rounds):
            lines += [line | {"load_before": busy} for line in emit("lists", name, figures, known)]
            wrong += [
                f"{name}: {metric} {value}"
                for metric, (value, _) in figures.items()
                if is_over(metric, value, given.most_ms)
            ]
    if given.save:
        save(lines)
    for line in wrong:
        print(f"over the limit: {line}", file=sys.stderr)
    sys.exit(bool(wrong))


def is_over(metric: str, value: float | None, most_ms: float) -> bool:
    """Return whether a figure is worse than it may be."""
    if value is None:
        return False
    return value > most_ms if metric.endswith("_p95") else metric.endswith("whole_tables") and value > 0


def measured(n_runs: int, n_steps: int, n_rounds: int) -> Iterator[tuple[str, Figures]]:
    """Fill the database unless it is filled, and yield the figures of each query."""
    import django

    django.setup()
    from django.core.management import call_command
    from django.test import Client

    from agentops.accounts.models import User
    from runs.models import Run, StuckKind

    call_command("migrate", verbosity=0)
    if not Run.objects.exists():
        fill(n_runs, n_steps)
    client = Client(headers={"host": "localhost"})
    client.force_login(User.objects.get(username="ada"))
    some_id = str(
        Run.objects.order_by("-created_at")[n_runs // 2 : n_runs // 2 + 1].values_list("id", flat=True)[0]
    )
    yield "rows", counted()
    for name, query in QUERIES.items():
        asked = query.replace("{id}", some_id)
        for part, address in (("page", "/runs"), ("overview", "/runs/overview")):
            yield name, of_rounds(part, n_rounds, lambda a=address, q=asked: seconds_of(client, a, {"q": q}))  # type: ignore[misc]  # bound at once
    fingerprint = StuckKind.objects.order_by("-n_episodes").values_list("fingerprint", flat=True)[0]
    for name, path in STUCK.items():
        address = path.replace("{fingerprint}", fingerprint)
        yield name, of_rounds("page", n_rounds, lambda a=address: seconds_of(client, a))  # type: ignore[misc]  # bound at once


def of_rounds(part: str, n_rounds: int, ask: Callable[[], float]) -> Figures:
    """Return the figures of so many questions, and how often a big table was read whole for them."""
    ask()  # what is asked for once a process is not the page's
    before = read_whole()
    seconds = [ask() for _ in range(n_rounds)]
    return {**figures_of(part, seconds), f"{part}_whole_tables": (read_whole() - before, "scans")}


def read_whole() -> int:
    """Return how often the big tables were read from one end to the other so far."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_force_next_flush()")
        cursor.execute("SELECT 1")
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as direct:
        found = direct.execute(_READ_WHOLE, [list(BIG)]).fetchone()
    assert found
    return int(found[0])


def counted() -> Figures:
    """Return how many rows each big table has, as the planner knows them."""
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as direct:
        rows = direct.execute(
            "SELECT relname, reltuples FROM pg_class WHERE relname = ANY(%s) AND relkind = 'r'", [list(BIG)]
        ).fetchall()
    return {str(name): (float(n), "rows") for name, n in sorted(rows)}


def seconds_of(client: Any, address: str, given: Mapping[str, str] | None = None) -> float:
    target = address.partition("?")[0].rpartition("/")[2]
    headers = {"HX-Request": "true", "HX-Target": target} if given is not None else {}
    began = time.perf_counter()
    answer = client.get(address, given, headers=headers)
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
        for statement in (_EPISODES, _KINDS, _TEXTS, _VALUES):
            cursor.execute(statement, values)
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
