"""The desk with very many open requests: `python -m benchmarks.desk --requests 10000`.

`pages`: requests of ten queues and twenty agents are inserted by SQL, with ten times as many closed ones behind them, some
claimed, some overdue; each page is asked for as a browser gets it. `timers`: reminders of all open requests are due at one
instant, two clocks run, and each tells five reviewers. Prints JSON lines: percentiles in milliseconds, and in seconds after the
time was due.
"""

import argparse
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import psycopg

from benchmarks import database
from benchmarks.figures import Figures, emit, percentile
from benchmarks.lists import figures_of
from benchmarks.product import DATABASE, ROOT, Product

REQUESTS, CLOSED_TIMES, ROUNDS = 10_000, 10, 40
REVIEWERS, QUEUES = 5, 10
AHEAD_SECONDS, PATIENCE_SECONDS = 10.0, 120.0

_REQUESTS = """
INSERT INTO approvals_request (id, team_id, run_id, seq, kind, status, agent, run_title, node, action, effect, tool_version,
    summary, reason, args, proposed_args, args_digest, evidence, signature, stages, delegations, queue_id, claimed_by_id, claimed_until,
    opened_at, decision_due_at, closed_at, closed_by, risk)
SELECT gen_random_uuid(), %(team)s, gen_random_uuid(), n, 'permission',
    CASE WHEN n <= %(open)s THEN 'pending' ELSE 'approved' END, 'agent-' || n %% 20, 'Refunds of week ' || n %% 52, 'pay',
    'payment.refund' || n %% 30, 'write', '1', 'payment.refund: to firm' || n || ', amount ' || n %% 997, 'They asked for it.',
    jsonb_build_object('to', 'firm' || n, 'amount', n %% 997), jsonb_build_object('to', 'firm' || n, 'amount', n %% 997),
    repeat('0', 64), '{}', 'sort' || n %% 200, '[{"quantifier": "any", "queue": "", "excludes_initiator": true, "people_only": true}]',
    '[]', queues[1 + n %% %(queues)s], CASE WHEN n %% 50 = 1 THEN %(ada)s END,
    CASE WHEN n %% 50 = 1 THEN clock_timestamp() + interval '1 hour' END, clock_timestamp() - n * interval '1 second',
    clock_timestamp() + (n - 500) * interval '1 minute',
    CASE WHEN n > %(open)s THEN clock_timestamp() - n * interval '1 second' END, CASE WHEN n > %(open)s THEN 'ada' ELSE '' END, 1
FROM generate_series(1, %(all)s) AS n, (SELECT array_agg(id) AS queues FROM approvals_queue WHERE team_id = %(team)s) AS known
"""
_CLOCKS = """
WITH s AS (
    INSERT INTO approvals_sla (request_id, team_id, queue, policy, elapsed_seconds, since, opened_at, pause_reason, paused_by)
    SELECT id, team_id, '', '{}', 0, clock_timestamp(), clock_timestamp(), '', '' FROM approvals_request WHERE status = 'pending')
INSERT INTO approvals_slatimer (request_id, kind, n, at_seconds, due_at)
SELECT id, 'remind', 50, 1800, clock_timestamp() + make_interval(secs => %(ahead)s) FROM approvals_request WHERE status = 'pending'
"""
_LATE = (
    "SELECT extract(epoch FROM fired_at - due_at)::float8 FROM approvals_slatimer WHERE fired_at IS NOT NULL"
)
_PAGES = {
    "my queues": "?folder=queues",
    "mine": "?folder=mine",
    "all": "?folder=all",
    "decided": "?folder=closed",
    "one queue": "?folder=all&q=queue:queue-3",
    "overdue of a tool": "?folder=all&q=is:overdue tool:payment.refund7",
    "a rare word": "?folder=all&q=firm4711",
    "a common word": "?folder=all&q=refunds",
    "nobody's word": "?folder=closed&q=nobodyswordatall",
    "decided by me": "?folder=all&q=by:@me closed:-1d agent:agent-3",
}


class Desk(Product):
    """The product with requests on its desk."""

    def fill(self, n: int) -> None:
        """Make the reviewers, their queues and the requests, and let the planner know of them."""
        from django.db import connection

        from agentops.accounts.models import Team
        from agentops.accounts.roles import Role
        from agentops.accounts.services.add_member import add_member
        from approvals.models import Queue, QueueMember

        team = Team.objects.get(pk=self._actor.team_id)
        people = [
            add_member(
                team_slug=team.slug, team_name=team.name, username=name, email=f"{name}@example.org", role=Role.ADMIN
            ).user
            for name in ("ada", *(f"reviewer-{number}" for number in range(1, REVIEWERS)))
        ]  # fmt: skip
        for number in range(QUEUES):
            queue = Queue.objects.create(team=team, slug=f"queue-{number}", name=f"Queue {number}")
            for person in people[number % 2 :: 2]:
                QueueMember.objects.create(queue=queue, user=person)
        values: dict[str, Any] = {
            "team": team.pk,
            "open": n,
            "all": n * (1 + CLOSED_TIMES),
            "queues": QUEUES,
            "ada": people[0].pk,
        }
        with connection.cursor() as cursor:
            cursor.execute(_REQUESTS, values)
        with psycopg.connect(database.url(DATABASE), autocommit=True) as direct:
            direct.execute("VACUUM (ANALYZE)")

    def start_clock(self) -> None:
        self._processes.append(self._start("manage.py", "clock"))

    def _start(self, *words: str) -> subprocess.Popen[bytes]:
        """Start a process whose mails, which it prints, nobody reads."""
        command = [sys.executable, *words]
        return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, start_new_session=True)


def pages(n_rounds: int) -> Iterator[tuple[str, Figures]]:
    """Yield what each page took, as often as it was asked for."""
    from django.test import Client

    from agentops.accounts.models import User
    from approvals.models import Request

    client = Client(headers={"host": "localhost"})
    client.force_login(User.objects.get(username="ada"))
    first = Request.objects.filter(status="pending", kind="permission").order_by("decision_due_at")[0]
    found = {name: f"/approvals{query}" for name, query in _PAGES.items()}
    found |= {"a request": f"/approvals/{first.pk}?folder=all", "its sort": f"/approvals/{first.pk}/alike"}
    for name, address in found.items():
        seconds_of(client, address)  # what is asked for once a process is not the page's
        yield name, figures_of("page", [seconds_of(client, address) for _ in range(n_rounds)])


def seconds_of(client: object, address: str) -> float:
    began = time.perf_counter()
    answer = client.get(address)  # type: ignore[attr-defined]
    assert answer.status_code == 200, answer.content[:300]
    return time.perf_counter() - began


def timers(n: int) -> Figures:
    """Return how long after their time the timers fired, which are all due at one instant."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(_CLOCKS, {"ahead": AHEAD_SECONDS})
        began, late = time.monotonic(), list[Any]()
        while len(late) < n and time.monotonic() - began < PATIENCE_SECONDS:
            time.sleep(0.5)
            cursor.execute(_LATE)
            late = [row[0] for row in cursor.fetchall()]
    figures = {f"late_p{at}": (round(percentile(late, at), 2), "s") for at in (50, 99, 100)} if late else {}
    return {**figures, "never": (n - len(late), "timers")}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=REQUESTS, help="open ones")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--part", choices=["pages", "timers", "both"], default="both")
    given = parser.parse_args()
    desk = Desk()
    desk.set_up()
    try:
        desk.fill(given.requests)
        if given.part != "timers":
            for name, figures in pages(given.rounds):
                emit("desk", name, figures, desk.packages)
        if given.part != "pages":
            desk.start_clock()
            emit("desk", "timers", timers(given.requests), desk.packages)
    finally:
        desk.tear_down()


if __name__ == "__main__":
    main()
