"""Whose run is claimed next: fairly between teams and agents, within limits, and what is paused stays queued."""

from collections import Counter
from uuid import UUID

import pytest

from agentops.common.transactions import transaction
from runs import claims
from runs.claims import claim, claim_alone, next_isolated
from runs.engine.limits import LimitScope
from runs.journal.fence import execute, query
from runs.models import Agent, Limit, Run
from runs.services.sweep import requeue_orphans
from tests.races import at_once
from tests.runs import a_run, a_team, a_worker

pytestmark = pytest.mark.django_db(transaction=True)

N_THREADS = 16
ROUNDS = 4
# What a claim was before: the oldest run of the queue, whoever's it is.
OLDEST_FIRST = "row_number() OVER (ORDER BY l.queued_at) AS n FROM lane l CROSS JOIN (SELECT false AS is_true) many WHERE l.is_open)"


def agents(*slugs: str, team: str = "team-a") -> None:
    """Make agents that run the same code as test-steps."""
    source = Agent.objects.get(team=a_team(team), slug="test-steps").versions.get()
    for slug in slugs:
        agent = Agent.objects.create(team=a_team(team), slug=slug, title=slug)
        source.pk, source.agent = None, agent
        source._state.adding = True
        source.id = agent.id
        source.save()


def queue(slug: str, n: int = 1, *, team: str = "team-a", **columns: object) -> list[Run]:
    """Queue runs of the agent, in this order."""
    agent = Agent.objects.get(team=a_team(team), slug=slug)
    runs = [a_run("test-steps", {"n": 1}, team=a_team(team)) for _ in range(n)]
    Run.objects.filter(pk__in=[run.pk for run in runs]).update(
        agent=agent, agent_version=agent.versions.get(), **columns
    )
    return runs


def limit(scope: LimitScope, name: str, max_running: int, *, team: str = "team-a") -> Limit:
    agent = Agent.objects.get(team=a_team(team), slug=name) if scope == LimitScope.AGENT else None
    return Limit.objects.create(
        team=a_team(team),
        scope=scope,
        name=name,
        agent=agent,
        max_running=max_running,
        created_by="t",
        updated_by="t",
    )


def take(worker: UUID, n: int = 1) -> list[str]:
    """Claim `n` times, and return of which agents the runs are."""
    found = [one for _ in range(n) for one in claim(worker_id=worker, queue="default", limit=1)]
    return [Agent.objects.get(pk=one.agent_id).slug for one in found]


def n_running() -> int:
    return Run.objects.filter(status="running").count()


def release() -> None:
    """End whatever runs, as if its slice were over and it had nothing more to do."""
    execute(
        "UPDATE runs_run SET status = 'succeeded', worker_id = NULL, ended_at = now() WHERE status = 'running'",
        {},
    )


def test_one_run_of_an_agent_does_not_wait_behind_the_many_of_another() -> None:
    agents("many", "one")
    queue("many", 40)
    queue("one")
    worker = a_worker()
    assert "one" in take(worker, 2)


def test_control_a_claim_of_the_oldest_serves_the_many_first(monkeypatch: pytest.MonkeyPatch) -> None:
    begin = claims._CLAIM_FAIR.index("row_number() OVER")
    end = claims._CLAIM_FAIR.index("picked AS MATERIALIZED")
    oldest = f"{claims._CLAIM_FAIR[:begin]}{OLDEST_FIRST},\n{claims._CLAIM_FAIR[end:]}"
    oldest = oldest.replace("WHERE l.is_open),", "WHERE l.is_open),")
    monkeypatch.setattr(claims, "_CLAIM_FAIR", oldest)
    agents("many", "one")
    queue("many", 40)
    queue("one")
    assert take(a_worker(), 40) == ["many"] * 40


def test_even_where_one_run_is_executed_at_a_time_agents_take_turns() -> None:
    agents("first", "second", "third")
    for slug in ("first", "second", "third"):
        queue(slug, 6)
    worker, turns = a_worker(), []
    for _ in range(9):
        turns += take(worker)
        release()
    assert Counter(turns) == {"first": 3, "second": 3, "third": 3}
    assert all(len(set(turns[start : start + 3])) == 3 for start in (0, 3, 6))


def test_teams_share_before_agents_do() -> None:
    """A team does not get more for having split its work among many agents."""
    agents("a", "b", "c", "d")
    agents("e", team="team-b")
    for slug in ("a", "b", "c", "d"):
        queue(slug, 5)
    queue("e", 20, team="team-b")
    assert Counter(slug == "e" for slug in take(a_worker(), 8)) == {True: 4, False: 4}


def test_a_higher_priority_goes_first_and_within_an_agent_the_oldest() -> None:
    agents("a", "b")
    old, older = queue("a")[0], queue("a")[0]
    execute("UPDATE runs_run SET queued_at = now() - interval '1 h' WHERE id = %(id)s", {"id": older.pk})
    [urgent] = queue("b", priority=5)
    worker = a_worker()
    order = [claim(worker_id=worker, queue="default", limit=1)[0].lease.run_id for _ in range(3)]
    assert order == [urgent.pk, older.pk, old.pk]


def test_more_lanes_than_a_claim_remembers_are_all_served() -> None:
    """Where there are many lanes their order is planned for some claims; nobody is left out, nothing comes twice."""
    slugs = [f"agent-{n}" for n in range(claims.MANY_LANES + 20)]
    agents(*slugs)
    for slug in slugs:
        queue(slug, 2)
    worker = a_worker()
    assert Counter(take(worker, len(slugs))) == dict.fromkeys(slugs, 1)
    assert Counter(take(worker, 2 * len(slugs))) == dict.fromkeys(slugs, 1)


def test_several_threads_claim_no_run_twice() -> None:
    agents("a", "b", "c")
    for slug in ("a", "b", "c"):
        queue(slug, 10)
    worker = a_worker()
    found = at_once(lambda: [claim(worker_id=worker, queue="default", limit=1) for _ in range(5)], times=6)
    ids = [one.lease.run_id for claimed in found for rows in claimed for one in rows]
    assert len(ids) == len(set(ids)) == 30


def test_a_claim_of_several_stays_within_its_number_and_the_limit() -> None:
    agents("a")
    queue("a", 9)
    limit(LimitScope.AGENT, "a", 5)
    worker = a_worker()
    assert [len(claim(worker_id=worker, queue="default", limit=3)) for _ in range(3)] == [3, 2, 0]


def surplus(max_running: int = 1) -> int:
    """Return by how many more than allowed were running at once, over some rounds of threads that claim together."""
    worker, found = a_worker(), 0
    for _ in range(ROUNDS):
        at_once(lambda: claim(worker_id=worker, queue="default", limit=1), times=N_THREADS)
        found += max(0, n_running() - max_running)
        assert n_running() >= max_running
        release()
    return found


def test_threads_that_race_for_a_limit_of_one_get_one() -> None:
    agents("a")
    queue("a", N_THREADS * ROUNDS)
    limit(LimitScope.AGENT, "a", 1)
    assert surplus() == 0


def test_control_counting_without_the_lock_admits_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claims, "_LOCK_LIMITS", claims._LOCK_LIMITS.replace(" FOR UPDATE", ""))
    agents("a")
    queue("a", N_THREADS * ROUNDS)
    limit(LimitScope.AGENT, "a", 1)
    assert surplus() > 0


def test_control_counting_in_the_statement_that_locks_admits_too_many(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its snapshot is older than the lock: it does not see what the last holder of the lock has claimed."""
    lock = f"WITH locked AS MATERIALIZED ({claims._LOCK_LIMITS}), waited AS MATERIALIZED (SELECT count(*) AS n FROM locked),"
    both = claims._CLAIM_LANE.replace("WITH given", f"{lock} given", 1).replace(
        "FROM runs_limit l WHERE l.id = ANY(%(limits)s::uuid[])",
        "FROM runs_limit l, waited WHERE l.id IN (SELECT id FROM locked)",
    )
    monkeypatch.setattr(claims, "_CLAIM_LANE", both)
    monkeypatch.setattr(claims, "_LOCK_LIMITS", "SELECT NULL::uuid AS id WHERE false")
    agents("a")
    queue("a", N_THREADS * ROUNDS)
    limit(LimitScope.AGENT, "a", 1)
    assert surplus() > 0


@pytest.mark.parametrize(
    ("scope", "name"),
    [(LimitScope.QUEUE, "default"), (LimitScope.KEY, "customer-7"), (LimitScope.KEY, "customer-*")],
)
def test_a_queue_and_a_key_are_limited_too(scope: LimitScope, name: str) -> None:
    agents("a", "b")
    for slug in ("a", "b"):
        queue(slug, N_THREADS * ROUNDS, concurrency_key="customer-7")
    limit(scope, name, 3)
    assert surplus(3) == 0


def test_a_key_with_a_star_counts_each_key_by_itself() -> None:
    agents("a")
    for key in ("customer-1", "customer-2", "other"):
        queue("a", 4, concurrency_key=key)
    limit(LimitScope.KEY, "customer-*", 1)
    worker = a_worker()
    take(worker, 12)
    running = Run.objects.filter(status="running").values_list("concurrency_key", flat=True)
    assert Counter(running) == {"customer-1": 1, "customer-2": 1, "other": 4}


def test_a_limit_holds_within_its_team() -> None:
    agents("a")
    agents("a", team="team-b")
    queue("a", 4)
    queue("a", 4, team="team-b")
    limit(LimitScope.QUEUE, "default", 1)
    take(a_worker(), 8)
    assert n_running() == 5


def test_who_is_at_a_limit_holds_up_nobody_else() -> None:
    agents("full", "free")
    queue("full", 50, priority=10)
    queue("free", 2)
    limit(LimitScope.AGENT, "full", 1)
    assert take(a_worker(), 4) == ["full", "free", "free"]


def test_a_lower_limit_lets_nobody_in_until_there_is_room() -> None:
    agents("a")
    queue("a", 6)
    row, worker = limit(LimitScope.AGENT, "a", 3), a_worker()
    take(worker, 6)
    Limit.objects.filter(pk=row.pk).update(max_running=1)
    one = Run.objects.filter(status="running").first()
    assert one
    execute(
        "UPDATE runs_run SET status = 'succeeded', worker_id = NULL, ended_at = now() WHERE id = %(id)s",
        {"id": one.pk},
    )
    assert take(worker) == []
    release()
    assert take(worker, 3) == ["a"]


def test_a_new_limit_counts_what_was_running_before() -> None:
    agents("a")
    queue("a", 4)
    worker = a_worker()
    take(worker, 2)
    limit(LimitScope.AGENT, "a", 2)
    assert take(worker) == []


def test_a_worker_that_dies_gives_its_slot_back_with_its_run() -> None:
    agents("a")
    queue("a", 2)
    limit(LimitScope.AGENT, "a", 1)
    dead, alive = a_worker(), a_worker()
    take(dead)
    assert take(alive) == []
    execute(
        "UPDATE runs_worker SET dead_at = now(), dead_reason = 'its process is gone' WHERE id = %(id)s",
        {"id": dead},
    )
    requeue_orphans()
    assert take(alive, 2) == ["a"]


def test_nothing_of_a_paused_agent_or_team_is_claimed_until_it_is_resumed() -> None:
    agents("a", "b")
    agents("c", team="team-b")
    for slug, team in (("a", "team-a"), ("b", "team-a"), ("c", "team-b")):
        queue(slug, 1, team=team)
    worker = a_worker()
    Agent.objects.filter(slug="a").update(is_paused=True)
    type(a_team()).objects.filter(slug="team-b").update(is_paused=True)
    assert take(worker, 3) == ["b"]
    Agent.objects.filter(slug="a").update(is_paused=False)
    type(a_team()).objects.filter(slug="team-b").update(is_paused=False)
    assert sorted(take(worker, 3)) == ["a", "c"]


def test_a_run_that_must_run_alone_obeys_pauses_and_limits() -> None:
    agents("a")
    first, second = queue("a", 2, is_isolated=True)
    Agent.objects.filter(slug="a").update(is_paused=True)
    assert next_isolated("default") is None
    Agent.objects.filter(slug="a").update(is_paused=False)
    limit(LimitScope.AGENT, "a", 1)
    worker = a_worker()
    assert next_isolated("default") == first.pk
    assert len(claim_alone(worker_id=worker, run_id=first.pk)) == 1
    assert next_isolated("default") is None
    assert claim_alone(worker_id=worker, run_id=second.pk) == []


def rows_read(n_waiting: int) -> int:
    """Return how many entries of the run table's indexes a claim reads that finds nothing but a lane at its limit."""
    queue("a", n_waiting)
    query("VACUUM ANALYZE runs_run", {})
    fetched = (
        "SELECT sum(pg_stat_get_xact_tuples_returned(indexrelid)) FROM pg_index"
        " WHERE indrelid = 'runs_run'::regclass"
    )
    with transaction():
        execute(
            "SELECT set_config('enable_seqscan', 'off', true)", {}
        )  # as the planner does by itself at size
        before = execute(fetched, {})
        assert take(a_worker()) == []
        after = execute(fetched, {})
    assert before
    assert after
    return int(after[0] - before[0])


def test_a_claim_reads_no_more_rows_for_a_longer_lane() -> None:
    agents("a")
    queue("a")
    limit(LimitScope.AGENT, "a", 1)
    take(a_worker())
    assert 0 < rows_read(20) >= rows_read(400)
