"""What people do to runs in the console: each verb, the refusals, and the answer to what nobody knows."""

from collections.abc import Callable
from typing import Any

import pytest
from bs4 import BeautifulSoup
from django.test import Client

from agentops.accounts.models import Team
from agentops.accounts.roles import Role
from runs.models import AgentVersion, Intent, Run, Step, Worker
from runs.services.advance import advance
from runs.services.register_programs import register_programs
from tests import ledger
from tests.runs import a_run, a_worker, claim
from tests.ui.builders import Action, RunBuilder
from tests.ui.conftest import See
from tests.ui.reading import attribute, one, words

pytestmark = pytest.mark.django_db

OPEN = ("queued", "sleeping", "waiting", "awaiting_approval", "paused", "running")


def buttons(see: See, run: Run) -> list[str]:
    return [words(button) for button in see(f"/runs/{run.id}").select(".head .acts .btn")]


def do(client: Client, run: Run, verb: str, **fields: str) -> Any:
    response = client.post(f"/runs/{run.id}/do/{verb}", fields)
    run.refresh_from_db()
    return response


@pytest.mark.parametrize(
    ("status", "more", "shown"),
    [
        ("queued", {}, ["Pause…", "Start again…", "Fork…", "Compare…", "Keep…", "Cancel…", "Kill…"]),
        ("running", {}, ["Pause…", "Start again…", "Fork…", "Compare…", "Keep…", "Cancel…", "Kill…"]),
        ("running", {"control": "pause"}, ["Start again…", "Fork…", "Compare…", "Keep…", "Cancel…", "Kill…"]),
        ("running", {"control": "cancel"}, ["Start again…", "Fork…", "Compare…", "Keep…", "Kill…"]),
        ("paused", {}, ["Resume", "Start again…", "Fork…", "Compare…", "Keep…", "Cancel…", "Kill…"]),
        ("paused", {"waiting_on": {"kind": "program_changed", "text": "gone"}}, ["Resume", "Migrate…", "Start again…", "Fork…", "Compare…", "Keep…", "Cancel…", "Kill…"]),
        ("paused", {"health": ["integrity_failed"]}, ["Start again…", "Fork…", "Compare…", "Keep…", "Cancel…", "Kill…"]),
        ("failed", {"error": {"code": "x", "message": "y"}}, ["Retry", "Start again…", "Fork…", "Compare…", "Keep…"]),
        ("succeeded", {}, ["Start again…", "Fork…", "Compare…", "Keep…"]),
        ("cancelled", {}, ["Start again…", "Fork…", "Compare…", "Keep…"]),
    ],
)  # fmt: skip
def test_the_buttons_are_what_is_possible(
    see: See, version: AgentVersion, status: str, more: dict[str, Any], shown: list[str]
) -> None:
    assert buttons(see, RunBuilder(version).save(status=status, **more)) == shown


def test_pausing_with_a_reason_and_resuming(see: See, ada: Client, version: AgentVersion) -> None:
    run = RunBuilder(version).save(status="sleeping")
    assert do(ada, run, "pause", reason="the site is down").status_code == 302
    assert (run.status, run.paused_from) == ("paused", "sleeping")
    assert words(one(see(f"/runs/{run.id}"), "#run-head .note")) == "Paused by ada. the site is down"
    assert do(ada, run, "resume").status_code == 302
    assert run.status == "sleeping"


def test_a_pause_under_way_says_so(see: See, ada: Client, version: AgentVersion) -> None:
    run = RunBuilder(version).save(status="running")
    do(ada, run, "pause")
    shown = see(f"/runs/{run.id}")
    assert words(shown.select("#run-head .title .chip")[0]) == "Pausing"
    assert "ada asked to pause it." in words(one(shown, "#run-head"))


@pytest.mark.parametrize("verb", ["pause", "resume", "cancel", "kill", "retry"])
def test_doing_it_twice_is_doing_it_once(ada: Client, version: AgentVersion, verb: str) -> None:
    status = {"resume": "paused", "retry": "failed"}.get(verb, "queued")
    run = RunBuilder(version).save(status=status, error={"code": "x"} if status == "failed" else None)
    assert do(ada, run, verb, word="kill" if verb == "kill" else "").status_code == 302
    after = Run.objects.filter(pk=run.pk).values().get()
    assert do(ada, run, verb, word="kill" if verb == "kill" else "").status_code == 302
    assert Run.objects.filter(pk=run.pk).values().get() == after


def test_killing_takes_the_word_and_says_what_it_may_cost(
    see: See, ada: Client, version: AgentVersion
) -> None:
    run = RunBuilder(version).save(status="running")
    asked = words(see(f"/runs/{run.id}/do/kill"))
    assert "A write that is in flight may have happened all the same" in asked
    refused = do(ada, run, "kill", reason="it burns money", word="yes")
    assert (refused.status_code, run.status) == (422, "running")
    assert b"it burns money" in refused.content
    assert b"kill-word-error" in refused.content
    assert do(ada, run, "kill", reason="it burns money", word=" Kill ").status_code == 302
    assert (run.status, run.ended_by, run.end_reason) == ("cancelled", "ada", "it burns money")


@pytest.mark.parametrize(
    ("status", "verb", "told"),
    [
        ("succeeded", "pause", "It cannot be paused any more. It is now: Succeeded Nothing more can be done to it"),
        ("failed", "kill", "It cannot be killed any more. It is now: Failed Possible now: Retry"),
        ("queued", "retry", "It cannot be retried."),
        ("cancelled", "resume", "It cannot be resumed. It is now: Cancelled, by Bea: wrong site"),
    ],
)  # fmt: skip
def test_what_came_too_late_is_refused_with_what_is_possible(
    see: See, ada: Client, version: AgentVersion, status: str, verb: str, told: str
) -> None:
    who = {"ended_by": "Bea", "end_reason": "wrong site"} if status == "cancelled" else {}
    run = RunBuilder(version).save(status=status, **who)
    if verb == "retry":
        Run.objects.filter(pk=run.pk).update(status="sleeping")
    response = do(ada, run, verb, word="kill" if verb == "kill" else "")
    assert response.status_code == 409
    assert words(one(_page(response), "[role=alert]")).startswith(told)


def test_the_form_of_what_is_not_possible_is_not_shown(see: See, version: AgentVersion) -> None:
    run = RunBuilder(version).save()
    shown = see(f"/runs/{run.id}/do/pause")
    assert "It cannot be paused any more." in words(one(shown, "[role=alert]"))
    assert shown.select("form.sheet") == []


def test_stored_rows_that_fail_their_check_are_not_built_on(ada: Client, version: AgentVersion) -> None:
    run = RunBuilder(version).save(status="paused", health=["integrity_failed"])
    response = do(ada, run, "resume")
    assert (response.status_code, run.status) == (409, "paused")
    assert "stored rows of it fail their check" in response.content.decode()
    assert "Possible now: Cancel, Kill" in words(one(_page(response), "[role=alert]"))


def test_migrating_to_a_version_that_fits(see: See, ada: Client, team: Team) -> None:
    run = _changed_run(team)
    options = see(f"/runs/{run.id}/do/migrate").select("select[name=version] option")
    assert [(attribute(option, "value"), option.has_attr("disabled")) for option in options] == [
        ("2", False),
        ("1", True),
    ]
    assert "no program 'gone'" in words(see(f"/runs/{run.id}/do/migrate"))
    assert do(ada, run, "migrate", version="1").status_code == 422
    assert run.status == "paused"
    assert do(ada, run, "migrate", version="2").status_code == 302
    assert (run.status, run.agent_version.number) == ("queued", 2)


def _changed_run(team: Team) -> Run:
    """Return a run whose program is gone, and of whose agent there is a newer version."""
    register_programs(team_id=team.pk)
    run = a_run("test-steps", {"n": 2}, team=team)
    new = run.agent_version
    AgentVersion.objects.filter(pk=new.pk).update(number=2)
    old = AgentVersion.objects.create(
        team=team, agent_id=new.agent_id, number=1, program="gone", program_version="1", source_hash="0" * 64,
        input_schema={}, published_at=new.published_at,
    )  # fmt: skip
    Run.objects.filter(pk=run.pk).update(
        agent_version=old, status="paused", paused_from="queued", waiting_on={"kind": "program_changed", "text": "there is no program 'gone' here"}
    )  # fmt: skip
    run.refresh_from_db()
    return run


def test_a_viewer_may_do_nothing(browser_of: Callable[[Role], Client], team: Team) -> None:
    viewer, run = browser_of(Role.VIEWER), an_unknown_run(team)
    shown = viewer.get(f"/runs/{run.id}").content.decode()
    assert "Nobody knows whether test.once happened." in shown
    assert "/do/" not in shown
    assert "resolve" not in shown
    for verb in ("pause", "resume", "cancel", "kill", "retry", "migrate"):
        assert viewer.get(f"/runs/{run.id}/do/{verb}").status_code == 403
        assert do(viewer, run, verb, word="kill").status_code == 403
    assert viewer.post(f"/runs/{run.id}/steps/2/resolve", {"outcome": "ran"}).status_code == 403
    assert run.status == "awaiting_approval"


# What nobody knows


def an_unknown_run(team: Team) -> Run:
    """Return a run whose write timed out, so that nobody knows whether it happened."""
    ledger.create()
    register_programs(team_id=team.pk)
    run = a_run("test-calls", {"tool": "test.once", "args": {"entry": "pay", "fail": "timeout"}}, team=team)
    worker = a_worker(host="worker-7")
    Worker.objects.filter(pk=worker).update(pid=4711)
    advance(claim(worker))
    run.refresh_from_db()
    return run


def answer(client: Client, run: Run, **fields: Any) -> Any:
    given = {"version": run.epoch, "reason": "it is in the books", **fields}
    response = client.post(f"/runs/{run.id}/steps/2/resolve", given)
    run.refresh_from_db()
    return response


def test_the_page_asks_in_plain_words_with_all_that_is_known(see: See, team: Team) -> None:
    run = an_unknown_run(team)
    shown = see(f"/runs/{run.id}")
    asked = words(one(shown, "#question"))
    assert asked.startswith(
        "Nobody knows whether test.once happened. It was called, and no answer was recorded."
    )
    for fact in (
        '"entry": "pay"',
        "worker-7:4711",
        "no answer in time",
        Intent.objects.get(run=run).idempotency_key,
    ):
        assert fact in asked
    assert "test.once" in words(one(shown, "#inspector h2#inspector-title"))
    assert len(shown.select("#inspector form.resolve")) == len(shown.select("dialog form.resolve")) == 1
    ids = [attribute(tag, "id") for tag in shown.select("[id]")]
    assert len(ids) == len(set(ids))


def test_the_answer_that_it_ran_with_its_output(ada: Client, team: Team) -> None:
    run = an_unknown_run(team)
    assert answer(ada, run, outcome="ran", output='{"id": 7}').status_code == 302
    assert run.status == "queued"
    assert Step.objects.get(run=run, seq=2).status == "succeeded"


@pytest.mark.parametrize(("outcome", "status"), [("did_not_run", "failed"), ("run_again", "running")])
def test_the_other_answers(ada: Client, team: Team, outcome: str, status: str) -> None:
    run = an_unknown_run(team)
    assert answer(ada, run, outcome=outcome).status_code == 302
    assert (run.status, Step.objects.get(run=run, seq=2).status) == ("queued", status)


@pytest.mark.parametrize(
    ("fields", "place", "told"),
    [
        ({}, "p-outcome-error", "Choose one."),
        ({"outcome": "perhaps"}, "p-outcome-error", "Choose one."),
        ({"outcome": "did_not_run", "reason": " "}, "p-why-error", "Say how you know."),
        ({"outcome": "ran", "output": "{"}, "p-output-error", "This is not JSON: line 1, column 2"),
        ({"outcome": "ran", "output": "{}"}, "p-output-error", '"id" is a required property'),
        ({"outcome": "ran", "output": ""}, "p-output-error", "null is not of type"),
    ],
)
def test_what_does_not_fit_is_told_at_its_field(
    ada: Client, team: Team, fields: dict[str, str], place: str, told: str
) -> None:
    run = an_unknown_run(team)
    response = answer(ada, run, **fields)
    assert (response.status_code, run.status) == (422, "awaiting_approval")
    page = _page(response)
    assert told in words(one(page, f"#{place}"))
    if "output" in fields:
        assert words(one(page, "#p-output")) == fields["output"]


def test_an_answer_to_an_older_question_is_not_taken(ada: Client, team: Team) -> None:
    run = an_unknown_run(team)
    Run.objects.filter(pk=run.pk).update(epoch=run.epoch + 1)
    response = answer(ada, run, outcome="did_not_run")
    assert (response.status_code, run.status) == (409, "awaiting_approval")
    page = _page(response)
    assert "Look once more" in words(one(page, "[role=alert]"))
    assert attribute(one(page, "form.resolve [name=version]"), "value") == str(run.epoch)


def test_a_second_answer_changes_nothing_and_says_so(ada: Client, team: Team) -> None:
    run = an_unknown_run(team)
    answer(ada, run, outcome="ran", output='{"id": 7}')
    response = answer(ada, run, outcome="did_not_run")
    assert response.status_code == 409
    assert "is not in question" in response.content.decode()
    assert Step.objects.get(run=run, seq=2).status == "succeeded"


def test_late_evidence_is_shown_and_fills_the_form(see: See, team: Team) -> None:
    run = an_unknown_run(team)
    Intent.objects.filter(run=run).update(
        evidence={"status": "succeeded", "output": {"id": 9}, "error": None},
        evidence_at="2026-01-01T00:00:00Z",
    )
    shown = see(f"/runs/{run.id}/steps/2/resolve")
    assert "reported late that it succeeded" in words(shown)
    form = one(shown, "form.resolve")
    assert one(form, "[value=ran]").has_attr("checked")
    assert '"id": 9' in words(one(form, "textarea"))


def test_a_call_that_a_dead_worker_left_open_names_no_innocent(see: See, team: Team) -> None:
    run = an_unknown_run(team)
    Step.objects.filter(run=run, seq=2).update(epoch=run.epoch + 1)
    assert "one that is gone; another found the call open" in words(one(see(f"/runs/{run.id}"), "#question"))


def test_a_run_that_was_killed_in_a_write_says_so(see: See, version: AgentVersion) -> None:
    b = RunBuilder(version)
    b.node(
        "pay",
        actions=[Action("bank.transfer", {"to": "Bea"}, status="running", effect="destructive")],
        is_done=False,
    )
    run = b.save(status="cancelled", node="pay", node_seq=1, ended_by="ada")
    Step.objects.filter(run=run, seq=2).update(status="unknown")
    shown = see(f"/runs/{run.id}")
    assert "A write was in flight when the run was ended." in words(one(shown, "#run-head"))
    assert see(f"/runs/{run.id}/steps/2/resolve").select("form.resolve") == []


def test_the_regions_that_htmx_fetches_have_the_question_too(see: See, team: Team) -> None:
    run = an_unknown_run(team)
    page = see(f"/runs/{run.id}")
    assert str(see(f"/runs/{run.id}", target="inspector")).strip().count("form") == str(
        one(page, "#inspector")
    ).count("form")
    assert see(f"/runs/{run.id}", target="run-head").select("#question")


def _page(response: Any) -> BeautifulSoup:
    return BeautifulSoup(response.content, "html.parser")
