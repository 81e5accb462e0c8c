"""The pages of retention: a policy is set after its preview, a run is held, archived, read in its archive and restored."""

from typing import Any

import pytest
from bs4 import BeautifulSoup
from django.db import connection
from django.test import Client

from agentops.accounts.models import Team
from agentops.accounts.roles import Actor, Scope
from runs.models import RetentionJob, RetentionPolicy, Run, RunHold
from runs.services.archive_run import archive_run
from runs.services.measure_runs import measure_runs
from runs.services.work_on_retention import work_on_retention
from tests.runs import a_run, drive
from tests.ui.conftest import See
from tests.ui.reading import words

pytestmark = pytest.mark.django_db


@pytest.fixture
def anna(team: Team) -> Actor:
    return Actor(team.pk, None, "anna", frozenset(Scope))


@pytest.fixture
def old_run(team: Team) -> Run:
    from runs.services.register_programs import register_programs

    register_programs(team_id=team.pk)
    run = drive(a_run("test-steps", {"n": 3}, team=team))
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE runs_run SET created_at = created_at - interval '40 days', ended_at = ended_at - interval '40 days'"
        )
    measure_runs([run.pk])
    run.refresh_from_db()
    return run


def streamed(response: Any) -> bytes:
    return b"".join(response.streaming_content)


def read(response: Any) -> BeautifulSoup:
    return BeautifulSoup(response.content, "html.parser")


def test_empty_pages_say_what_belongs_there(see: See, team: Team) -> None:
    page = words(see("/policies/retention"))
    assert "Every run is kept whole for good." in page
    assert "Nothing: no run is old enough" in page
    assert "There are no runs yet." in words(see("/storage"))


def test_a_policy_is_previewed_saved_and_applied(see: See, ada: Client, old_run: Run) -> None:
    form = {
        "in-agent": "",
        "in-status": "",
        "in-archive_days": "7",
        "in-delete_days": "",
        "in-prune_days": "",
        "in-is_on": "true",
    }
    refused = ada.post("/policies/retention/new", form | {"in-delete_days": "3"})
    assert refused.status_code == 422
    assert "must be more than the 7 days" in words(read(refused))
    shown = words(read(ada.post("/policies/retention/new", form | {"preview": "1"})))
    assert "It is not saved yet." in shown
    assert "Archive 1 run" in shown
    assert not RetentionPolicy.objects.exists()
    assert ada.post("/policies/retention/new", form).status_code == 302
    page = words(see("/policies/retention"))
    assert "All runs" in page
    assert "archived after 7 days" in page
    assert "Archive 1 run" in page
    assert "retention.create" in page
    job = ada.post("/policies/retention/apply")
    while work_on_retention():
        pass
    assert "1 archived, 0 deleted" in words(see(job["Location"]))
    assert RetentionJob.objects.get().state == "done"
    policy = RetentionPolicy.objects.get()
    changed = ada.post(f"/policies/retention/{policy.pk}", {**form, "in-archive_days": "9", "version": "7"})
    assert changed.status_code == 409
    assert ada.post(f"/policies/retention/{policy.pk}/remove", {"version": "1"}).status_code == 302
    assert not RetentionPolicy.objects.exists()


def test_an_archived_run_is_listed_read_and_restored(
    see: See, ada: Client, anna: Actor, old_run: Run
) -> None:
    archive_run(actor=anna, run_id=old_run.pk)
    assert "Archived" in words(see("/runs"))
    page = words(see(f"/runs/{old_run.pk}"))
    assert "You read this run in its archive." in page
    assert "by anna" in page
    assert '"n": 3' in words(see(f"/runs/{old_run.pk}?show=state"))
    assert "This run logged nothing." in words(see(f"/runs/{old_run.pk}?show=log"))
    assert "There is no such step." in words(see(f"/runs/{old_run.pk}?step=999"))
    refused = ada.get(f"/runs/{old_run.pk}/state")
    assert refused.status_code == 409
    assert "is archived" in words(read(refused))
    assert streamed(ada.get(f"/runs/{old_run.pk}/archive.aorun")).startswith(b"AGENTOPS-RUN 1")
    assert ada.post(f"/runs/{old_run.pk}/restore").status_code == 302
    assert "You read this run" not in words(see(f"/runs/{old_run.pk}"))
    assert "Restored" in words(see(f"/runs/{old_run.pk}/keep"))


def test_a_run_is_pinned_and_put_under_a_legal_hold(see: See, ada: Client, old_run: Run) -> None:
    place = f"/runs/{old_run.pk}/keep"
    assert "Nobody holds it" in words(see(place))
    assert (
        ada.post(place, {"kind": "pin", "reason": "the good example", "until": "2999-01-31"}).status_code
        == 302
    )
    refused = ada.post(place, {"kind": "legal", "reason": " "})
    assert refused.status_code == 422
    assert "must say why" in words(read(refused))
    assert ada.post(place, {"kind": "pin", "until": "soon"}).status_code == 422
    page = words(see(place))
    assert "Pinned the good example" in page
    archived = ada.post(f"/runs/{old_run.pk}/archive", follow=True)
    assert "stays as it is: a pin" in words(read(archived))
    ada.post(place, {"kind": "pin", "release": "1"})
    assert not RunHold.objects.exists()


def test_the_storage_page_says_what_each_agent_takes(see: See, old_run: Run) -> None:
    page = words(see("/storage"))
    assert "test-steps 1 whole, 0 archived" in page
    assert "The largest runs" in page
