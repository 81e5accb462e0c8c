"""The watch: runs that are stuck get an episode, a flag and the remedies of their agent; the episode ends when they move on."""

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import override_settings

from agentops.accounts.roles import Actor, Scope
from runs.checkpoints.store import rebuild
from runs.journal.fence import execute
from runs.models import Agent, Nudge, Run, RunLook, RunText, StuckKind, StuckState, Worker
from runs.services.advance import advance
from runs.services.pause_run import pause_run
from runs.services.read_texts import read_texts, seconds_behind
from runs.services.resume_run import resume_run
from runs.services.sweep import wake_due
from runs.services.watch_places import Rounds
from runs.services.watch_runs import Watch, look_at
from tests.races import at_once
from tests.rehearsal import provider, rehearsal_model
from tests.runs import a_run, a_team, a_worker, claim, drive, make_due
from tests.sticking import Door

pytestmark = pytest.mark.django_db


def ada() -> Actor:
    return Actor(a_team().pk, None, "Ada", frozenset(Scope))


@pytest.fixture(autouse=True)
def shut() -> Iterator[None]:
    Door.answer = "again"
    yield
    Door.answer = "again"


def at_the_door(**more: Any) -> Run:
    """Return a run that has tried the door six times and sleeps."""
    run = a_run("test-at-the-door", {"user": "ada"})
    Run.objects.filter(pk=run.pk).update(**more)
    advance(claim(a_worker()))
    run.refresh_from_db()
    return run


def look(run: Run) -> StuckState | None:
    """Look at the run, and return its newest episode."""
    look_at([run.pk])
    run.refresh_from_db()
    return StuckState.objects.filter(run=run).order_by("-opened_at").first()


def later(episode: StuckState | None, seconds: int) -> None:
    assert episode
    execute(
        "UPDATE runs_stuckstate SET opened_at = opened_at - make_interval(secs => %(s)s) WHERE id = %(id)s",
        {"id": episode.pk, "s": seconds},
    )


def remedies(episode: StuckState | None) -> list[str]:
    assert episode
    episode.refresh_from_db()
    return [taken["do"] for taken in episode.taken]


def rules(run: Run, watch: dict[str, Any]) -> None:
    Agent.objects.filter(pk=run.agent_id).update(watch=watch)


def again(run: Run) -> None:
    make_due(run)
    wake_due()
    advance(claim(a_worker()))
    run.refresh_from_db()


def test_a_loop_is_flagged_told_paused_and_over_when_the_run_moves_on() -> None:
    run = at_the_door()
    episode = look(run)
    assert episode
    assert (episode.reason, episode.node, episode.to_at) == ("looping", "login", None)
    assert episode.text == "door.login: 6 times in a row with the same result"
    assert run.health == ["looping"]
    assert remedies(episode) == ["notify", "nudge"]
    assert "reads no notes" in episode.taken[1]["note"]
    assert episode.tell_at
    later(episode, 61)
    look(run)
    assert remedies(episode) == ["notify", "nudge", "hand_off", "pause"]
    assert (run.status, run.ended_by) == ("paused", "the watch")
    assert run.end_reason.startswith("looping: door.login")
    Door.answer = "in"
    resume_run(actor=ada(), run_id=run.pk)
    closed = look(run)
    assert closed
    assert (closed.resolution, closed.resolved_by, closed.to_at is not None) == ("resumed", "Ada", True)
    again(run)
    assert run.status == "succeeded"
    assert look(run) == closed, "what was judged once counts no more"


def test_a_run_that_is_resumed_and_loops_again_gets_another_episode() -> None:
    run = at_the_door()
    later(look(run), 61)
    look(run)
    resume_run(actor=ada(), run_id=run.pk)
    first = look(run)
    assert first
    assert first.resolution == "resumed"
    again(run)
    second = look(run)
    assert second
    assert second.pk != first.pk
    assert second.from_seq > first.upto_seq
    kind = StuckKind.objects.get(fingerprint=second.fingerprint)
    assert (kind.n_episodes, kind.state, first.fingerprint) == (2, "open", second.fingerprint)


def test_an_episode_ends_by_itself() -> None:
    run = at_the_door()
    look(run)
    Door.answer = "in"
    again(run)
    closed = look(run)
    assert closed
    assert (closed.resolution, closed.resolved_by) == ("succeeded", "")
    assert run.health == []


def test_what_failed_before_anybody_could_look_is_found_afterwards() -> None:
    Door.answer = "broken"
    run = drive(a_run("test-at-the-door", {"user": "ada"}))
    watch = Watch()
    watch.look()
    episode = StuckState.objects.get(run=run)
    assert (episode.reason, episode.node) == ("stuck", "login")
    assert episode.error == "http_<n>: portal <n> sent <n> for <text>"
    assert episode.taken == [], "what has ended needs no remedy"
    watch.look()
    episode.refresh_from_db()
    assert (episode.resolution, episode.to_at) == ("failed", run.ended_at)
    watch.look()
    Watch().look()
    assert StuckState.objects.filter(run=run).count() == 1


def test_a_forgotten_run_is_asked_about_and_then_paused() -> None:
    run = at_the_door()
    rules(run, {"looping": {"is_on": False}})
    Run.objects.filter(pk=run.pk).update(created_at="2020-01-01T00:00:00Z")
    asked = look(run)
    assert asked
    assert (asked.reason, run.health, remedies(asked)) == ("forgotten", ["forgotten"], ["notify"])
    assert "is it still wanted?" in asked.text
    RunLook.objects.create(run=run, team_id=run.team_id)
    wanted = look(run)
    assert wanted
    assert (wanted.resolution, run.health) == ("wanted", [])
    RunLook.objects.update(looked_at="2020-02-01T00:00:00Z")
    asked = look(run)
    later(asked, 3 * 86_400)
    look(run)
    assert (run.status, remedies(asked)) == ("paused", ["notify", "pause"])


def test_an_agent_that_starts_itself_without_end_is_stopped_and_explained() -> None:
    made = [a_run("test-at-the-door", {"user": "ada"})]
    for depth in range(1, 9):
        child = a_run("test-at-the-door", {"user": "ada"})
        Run.objects.filter(pk=child.pk).update(parent=made[-1], depth=depth, root_id=made[0].pk)
        made.append(child)
    look_at([run.pk for run in made])
    episode = StuckState.objects.get(reason="runaway")
    assert episode.run_id == made[-1].pk
    agent = Agent.objects.get(pk=made[0].agent_id)
    assert (agent.is_paused, agent.paused_by) == (True, "the watch")
    assert agent.pause_reason.startswith("runaway: the agent started itself 8 generations deep")


def test_zombies_orphans_and_runs_without_a_worker() -> None:
    lost, waits, queued = (a_run("test-at-the-door", {"user": "ada"}) for _ in range(3))
    Run.objects.filter(pk=lost.pk).update(
        status="running", worker_id=a_worker(dead_at="2020-01-01T00:00:00Z")
    )
    Run.objects.filter(pk=waits.pk).update(status="waiting")
    Run.objects.filter(pk=queued.pk).update(queue="gpu", queued_at="2020-01-01T00:00:00Z")
    look_at([run.pk for run in (lost, waits, queued)])
    reasons = dict(StuckState.objects.values_list("run_id", "reason"))
    assert reasons == {lost.pk: "zombie", waits.pk: "orphan", queued.pk: "no_worker"}
    Worker.objects.create(id=lost.pk, host="test", boot_id="", pid_ns="", pid=1, pid_start=0, queues=["gpu"])
    look_at([queued.pk])
    assert StuckState.objects.get(run=queued).resolution == "moved_on"


def test_a_model_that_goes_in_circles_reads_a_note_and_begins_a_fresh_session() -> None:
    turns = [{"calls": [{"tool": "door_login", "args": {"user": "ada"}}]}] * 7
    task = f"Play this.\n```rehearsal\n{json.dumps([*turns, {'finish': 'gave up'}])}\n```"
    with rehearsal_model() as server:
        provider(a_team().pk, server)
        run = drive_to_turns(a_run("test-talks-at-the-door", {"task": task}))
        episode = look(run)
        assert remedies(episode) == ["notify", "nudge"]
        assert Nudge.objects.get(run=run).text.startswith("looping: door.login: 5 times")
        later(episode, 31)
        look(run)
        run = drive(run)
    assert run.status == "succeeded", run.error
    state = rebuild(run).state
    assert state["notes"] == 2
    assert state["session"]["number"] == 2
    closed = look(run)
    assert closed
    assert closed.resolution == "succeeded"


def drive_to_turns(run: Run) -> Run:
    """Advance the run, a node a slice, until it has made five calls."""
    with override_settings(AGENTOPS={"slice_steps": 1}):
        while run.steps.filter(kind="tool").count() < 5:
            advance(claim(a_worker()))
            run.refresh_from_db()
    return run


def test_a_kind_that_is_ignored_is_recorded_and_left_alone() -> None:
    first, second = at_the_door(), at_the_door()
    look(first)
    StuckKind.objects.update(state="ignored")
    episode = look(second)
    later(episode, 3600)
    look(second)
    assert remedies(episode) == []
    assert second.status == "sleeping"


@pytest.mark.django_db(transaction=True)
def test_clocks_that_look_at_once_open_one_episode_and_take_each_remedy_once() -> None:
    run = at_the_door()
    at_once(look_at, [run.pk], times=4)
    episode = StuckState.objects.get(run=run)
    assert remedies(episode) == ["notify", "nudge"]
    assert StuckKind.objects.get().n_episodes == 1
    later(episode, 61)
    at_once(look_at, [run.pk], times=4)
    assert remedies(episode) == ["notify", "nudge", "hand_off", "pause"]


def test_every_open_run_is_looked_at_in_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runs.services.watch_places.BATCH", 2)
    runs = {a_run("test-at-the-door", {"user": "ada"}).pk for _ in range(5)}
    rounds, seen = Rounds(), set()
    for _ in range(20):
        seen |= set(rounds.next_ids())
    assert runs <= seen


@pytest.mark.django_db(transaction=True)
def test_the_clock_looks_and_reads_with_no_transaction_open(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runs.services.watch_places.BATCH", 2)
    Door.answer = "broken"
    failed = drive(a_run("test-at-the-door", {"user": "grace"}))
    Door.answer = "again"
    held = [at_the_door() for _ in range(3)]
    watch = Watch()
    for _ in range(8):
        watch.look()
    assert StuckState.objects.filter(run__in=held, to_at=None).count() == 3
    assert StuckState.objects.get(run=failed).resolution == "failed"
    Run.objects.filter(pk=failed.pk).update(ended_at=failed.created_at - timedelta(minutes=1))
    assert [read_texts() for _ in range(3)] == [0, 1, 0]
    assert RunText.objects.get().run_id == failed.pk
    assert seconds_behind() < 3600


@pytest.mark.django_db(transaction=True)
def test_statements_prepared_behind_a_rollback_keep_names_of_their_own() -> None:
    """A rollback deallocates what was prepared; the next statement must not take a name that is prepared anew later."""
    for n in range(3):
        execute(f"SELECT {n}", {})
    connection.connection.execute("DEALLOCATE ALL")
    execute("SELECT 'behind'", {})
    for _ in range(2):
        assert [execute(f"SELECT {n}", {}) for n in range(3)] == [(0,), (1,), (2,)]
    assert execute("SELECT 'later'", {}) == ("later",)
    assert execute("SELECT 'later still'", {}) == ("later still",)


def test_whoever_pauses_and_resumes_a_run_has_seen_it_and_is_not_overruled() -> None:
    run = at_the_door()
    look(run)
    pause_run(actor=ada(), run_id=run.pk)
    episode = look(run)
    assert remedies(episode) == ["notify", "nudge", "pause"]
    later(episode, 600)
    look(run)
    assert remedies(episode) == ["notify", "nudge", "pause"]
    resume_run(actor=ada(), run_id=run.pk)
    closed = look(run)
    assert closed
    assert (closed.resolution, closed.resolved_by, run.status) == ("resumed", "Ada", "sleeping")
    look(run)
    assert run.status == "sleeping"
