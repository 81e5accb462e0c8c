"""One verb for many runs: what is previewed is done, run by run, by whoever has a clock, until somebody stops it."""

from typing import Any
from uuid import UUID

import pytest
from django.utils import timezone

from agentops.accounts.models import Membership, Team
from agentops.accounts.roles import Actor, Role
from agentops.accounts.selectors import actor_of_user
from agentops.common.errors import InvalidInputError, NotAllowedError, NotFoundError
from agentops.common.ids import new_id
from runs.journal.fence import execute
from runs.models import AgentVersion, BulkJob, BulkResult, Run
from runs.selectors import walk
from runs.selectors.bulk import job_for, preview_for, results_for
from runs.services import work_on_bulk as working
from runs.services.start_bulk import start_bulk
from runs.services.stop_bulk import stop_bulk
from runs.services.work_on_bulk import work_on_bulk
from tests.ui import builders
from tests.ui.builders import RunBuilder

pytestmark = pytest.mark.django_db


@pytest.fixture
def team() -> Team:
    return builders.a_team()


@pytest.fixture
def ada(team: Team) -> Actor:
    return acting(team, "ada", Role.ADMIN)


def acting(team: Team, name: str, role: Role) -> Actor:
    found = actor_of_user(builders.a_person(team, name, role), team.pk)
    assert found
    return found


@pytest.fixture
def version(team: Team) -> AgentVersion:
    return builders.an_agent(team)


def some_runs(version: AgentVersion, n: int, status: str = "queued", **columns: Any) -> list[Run]:
    return [RunBuilder(version, seconds_ago=100 + i).save(status=status, **columns) for i in range(n)]


def work(job: BulkJob) -> BulkJob:
    """Let clocks go round until nothing is left to do."""
    for _ in range(200):
        work_on_bulk()
        job.refresh_from_db()
        if job.state != "working":
            return job
    raise AssertionError("the job never ends")


def statuses(runs: list[Run]) -> list[str]:
    return [Run.objects.get(pk=run.pk).status for run in runs]


def test_all_that_a_query_finds_is_cancelled_and_nothing_else(ada: Actor, version: AgentVersion) -> None:
    meant, others = some_runs(version, 7, tags=["old"]), some_runs(version, 3)
    preview = preview_for(ada, "cancel", query="tag:old")
    assert (preview.n_fit, preview.n_unfit, preview.is_all) == (7, 0, True)
    job = work(start_bulk(actor=ada, verb="cancel", query="tag:old", reason="gone"))
    assert (job.state, job.expected, job.n_done, job.n_refused) == ("done", 7, 7, 0)
    assert statuses(meant) == ["cancelled"] * 7
    assert statuses(others) == ["queued"] * 3
    assert Run.objects.get(pk=meant[0].pk).end_reason == "gone"


def test_a_selection_tells_what_came_of_each_run(ada: Actor, version: AgentVersion) -> None:
    open_runs, ended = some_runs(version, 2), some_runs(version, 1, "succeeded")
    ids = [run.pk for run in [*open_runs, *ended]]
    assert preview_for(ada, "pause", run_ids=ids).n_unfit == 1
    job = work(start_bulk(actor=ada, verb="pause", run_ids=ids))
    assert (job.n_done, job.n_refused) == (2, 1)
    refused = results_for(ada, job.pk, is_refused=True, limit=10).items
    assert [row.run_id for row in refused] == [ended[0].pk]
    assert "too late or too early" in refused[0].problem


@pytest.mark.parametrize(
    ("verb", "before", "after"),
    [("pause", "queued", "paused"), ("resume", "paused", "queued"), ("cancel", "sleeping", "cancelled"),
     ("kill", "queued", "cancelled"), ("retry", "failed", "queued")],
)  # fmt: skip
def test_every_verb_can_be_applied(
    ada: Actor, version: AgentVersion, verb: str, before: str, after: str
) -> None:
    runs = some_runs(version, 3, before)
    assert work(start_bulk(actor=ada, verb=verb, query=f"status:{before}")).n_done == 3
    assert statuses(runs) == [after] * 3


def test_runs_that_come_later_are_not_meant(ada: Actor, version: AgentVersion) -> None:
    some_runs(version, 2)
    job = start_bulk(actor=ada, verb="cancel", query="")
    later = RunBuilder(version, seconds_ago=-60).save(status="queued")
    assert work(job).n_done == 2
    assert statuses([later]) == ["queued"]


def test_a_walk_that_finds_nothing_at_first_goes_on(
    ada: Actor, version: AgentVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("SHORT_WALK", "LONG_WALK"):
        monkeypatch.setattr(walk, name, 3)
    needle = RunBuilder(version, seconds_ago=5000).save(status="queued", n_retries=9)
    some_runs(version, 20)
    job = work(start_bulk(actor=ada, verb="cancel", query="retries:9"))
    assert (job.state, job.n_done) == ("done", 1)
    assert statuses([needle]) == ["cancelled"]


def test_a_stopped_job_leaves_the_rest_alone(
    ada: Actor, version: AgentVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(working, "BATCH_RUNS", 2)
    runs = some_runs(version, 6)
    job = start_bulk(actor=ada, verb="cancel", query="")
    work_on_bulk()
    stopped = stop_bulk(actor=ada, job_id=job.pk)
    assert (stopped.state, stopped.n_done) == ("stopped", 2)
    assert work_on_bulk() == 0
    assert statuses(runs).count("queued") == 4


def test_a_clock_that_died_with_a_job_is_followed_by_another_and_no_run_is_done_twice(
    ada: Actor, version: AgentVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = some_runs(version, 5, "failed")
    job = start_bulk(actor=ada, verb="retry", query="status:failed")
    with monkeypatch.context() as dying:
        dying.setattr(working, "_leave", lambda *_args, **_more: None)  # dies before it says how far it came
        work_on_bulk()
    Run.objects.filter(pk=runs[0].pk).update(status="failed")  # fails again meanwhile
    assert work_on_bulk() == 0, "the dead clock's lease still holds"
    BulkJob.objects.update(due_at=job.created_at)
    job = work(job)
    assert (job.state, job.n_done, BulkResult.objects.count()) == ("done", 5, 5)
    assert statuses(runs) == ["failed", *["queued"] * 4]


def test_who_lost_the_lease_changes_nothing(ada: Actor, version: AgentVersion) -> None:
    run = some_runs(version, 1)[0]
    job = start_bulk(actor=ada, verb="cancel", query="")
    execute("UPDATE runs_bulkjob SET lease = %(lease)s RETURNING id", {"lease": new_id()})
    assert working._apply(job, new_id(), ada, run.pk) is False
    assert statuses([run]) == ["queued"]


def test_who_may_not_act_any_more_does_not(ada: Actor, team: Team, version: AgentVersion) -> None:
    runs, eve = some_runs(version, 2), acting(team, "eve", Role.OPERATOR)
    job = start_bulk(actor=eve, verb="cancel", query="")
    Membership.objects.filter(user__username="eve").update(role=Role.VIEWER)
    assert work(job).state == "failed"
    assert "eve may not act" in job.problem
    assert statuses(runs) == ["queued"] * 2


def test_a_viewer_starts_and_stops_nothing(ada: Actor, team: Team) -> None:
    viewer = acting(team, "vic", Role.VIEWER)
    job = start_bulk(actor=ada, verb="cancel", query="")
    for forbidden in (
        lambda: start_bulk(actor=viewer, verb="cancel", query=""),
        lambda: stop_bulk(actor=viewer, job_id=job.pk),
        lambda: preview_for(viewer, "cancel"),
    ):
        with pytest.raises(NotAllowedError):
            forbidden()


def test_another_teams_runs_and_jobs_are_out_of_reach(ada: Actor, version: AgentVersion) -> None:
    run = some_runs(version, 1)[0]
    bea = acting(builders.a_team("other"), "bea", Role.ADMIN)
    job = work(start_bulk(actor=bea, verb="cancel", run_ids=[run.pk]))
    assert (job.n_done, job.n_refused) == (0, 1)
    assert work(start_bulk(actor=bea, verb="cancel", query="")).n_done == 0
    assert statuses([run]) == ["queued"]
    with pytest.raises(NotFoundError):
        job_for(ada, job.pk)


@pytest.mark.parametrize("given", [{"verb": "delete"}, {"verb": "pause", "run_ids": []}, {"verb": "pause", "run_ids": [UUID(int=n) for n in range(1001)]}])  # fmt: skip
def test_what_does_not_fit_is_refused(ada: Actor, given: dict[str, Any]) -> None:
    with pytest.raises(InvalidInputError):
        start_bulk(actor=ada, **given)


def test_times_ago_are_told_from_when_the_job_was_begun(ada: Actor, version: AgentVersion) -> None:
    run = RunBuilder(version, seconds_ago=3500).save(status="queued")
    with timezone.override("Asia/Tokyo"):
        job = start_bulk(actor=ada, verb="cancel", query="created:-1h")
    BulkJob.objects.update(created_at=job.created_at)
    assert job.zone == "Asia/Tokyo"
    assert work(job).n_done == 1
    assert statuses([run]) == ["cancelled"]
