"""Going another way in the console: the forms that fork and rewind, the lanes, and the question before a write."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from bs4 import BeautifulSoup
from django.test import Client

from agentops.accounts.models import Team
from agentops.accounts.roles import Role
from runs.models import Checkpoint, Run
from runs.services.advance import advance
from runs.services.register_programs import register_programs
from runs.services.rewind_run import rewind_run
from tests import ledger
from tests.forking import actor_of, fork
from tests.runs import a_run, a_worker, claim, drive, state
from tests.ui.conftest import See
from tests.ui.reading import attribute, one, words

pytestmark = pytest.mark.django_db


@pytest.fixture
def mailing(team: Team) -> Run:
    """A run that thought ten times (1–10), sent one e-mail (12, in node 11), and failed at the next look (14)."""
    ledger.create()
    register_programs(team_id=team.pk)
    return drive(a_run("test-mailing", {"to": "ada"}, team=team))


def fields(page: Any) -> dict[str, str]:
    """Return what a browser would send of the form, without the buttons."""
    form = one(page, "form.way")
    found = {
        str(tag["name"]): str(tag.get("value", "")) for tag in form.select("input[type=hidden], input.input")
    }
    found |= {str(tag["name"]): str(tag["value"]) for tag in form.select("input[type=radio][checked]")}
    return found | {str(tag["name"]): tag.text.removeprefix("\n") for tag in form.select("textarea")}


def test_the_form_lists_what_would_happen_again_in_every_mode(see: See, mailing: Run) -> None:
    page = see(f"/runs/{mailing.pk}/fork?from=10")
    assert "with the state after step 10, at send" in words(one(page, ".way-head"))
    row = words(one(page, ".effects tbody tr"))
    assert row.startswith('12 test.mail {"to": "ada"} idem_')
    assert row.endswith("Not repeated Simulated Happens again")
    assert json.loads(fields(page)["state"]) == state(mailing, 10)
    assert attribute(one(page, "input[name=mode][checked]"), "value") == "recorded"
    assert "Nothing was written behind this place." in words(see(f"/runs/{mailing.pk}/fork?from=11"))


def test_a_posted_form_forks_once_with_what_was_changed(ada: Client, see: See, mailing: Run) -> None:
    sent = fields(see(f"/runs/{mailing.pk}/fork?from=10"))
    sent |= {"mode": "dry", "reason": "to see", "state": json.dumps(state(mailing, 10) | {"to": "bob"})}
    checked = ada.post(f"/runs/{mailing.pk}/fork", sent | {"preview": "1"})
    assert "1 Changed" in words(one(BeautifulSoup(checked.content, "html.parser"), "#preview"))
    assert Run.objects.count() == 1
    first, again = (ada.post(f"/runs/{mailing.pk}/fork", sent) for _ in range(2))
    assert first.status_code == 302
    assert first.url == again.url  # type: ignore[attr-defined]  # both redirect
    child = Run.objects.get(forked_from=mailing)
    assert (state(child)["to"], child.effect_mode) == ("bob", "dry")
    head = one(see(f"/runs/{child.pk}"), "#run-head")
    assert "dry" in words(one(head, ".title"))
    assert one(head, f".crumb a[href='/runs/{mailing.pk}']")


def test_the_form_says_while_one_types_what_the_fork_would_be(ada: Client, see: See, mailing: Run) -> None:
    page = see(f"/runs/{mailing.pk}/fork?from=10")
    shown = words(one(page, "#preview"))
    assert "Begins at send" in shown
    assert "Not repeated × 1" in shown
    assert "Nothing while the requests stay equal" in shown
    region = {"HX-Request": "true", "HX-Target": "preview"}
    sent = fields(page) | {"preview": "1", "mode": "live", "input": json.dumps({"to": "bob"})}
    told = ada.post(f"/runs/{mailing.pk}/fork", sent, headers=region).content.decode()
    assert told.startswith('<section id="preview"')
    assert "Happens again" in told
    assert "bob" in told
    broken = ada.post(f"/runs/{mailing.pk}/fork", sent | {"state": "{"}, headers=region)
    assert broken.status_code == 200
    assert "This is not JSON: line 1, column 2" in broken.content.decode()
    assert Run.objects.count() == 1


def test_an_action_offers_its_output_to_be_edited(ada: Client, see: See, mailing: Run) -> None:
    sent = fields(see(f"/runs/{mailing.pk}/fork?from=12"))
    assert json.loads(sent["output"]) == {"id": "ada", "applied": True}
    refused = ada.post(f"/runs/{mailing.pk}/fork", sent | {"output": '{"no": 1}'})
    assert refused.status_code == 422
    assert "the output of step 12 does not fit" in refused.content.decode()
    assert ada.post(f"/runs/{mailing.pk}/fork", sent | {"output": '{"id": "edited"}'}).status_code == 302
    ledger.allow_success()
    child = drive(Run.objects.get(forked_from=mailing))
    assert state(child)["sent"] == [{"id": "edited"}]
    page = see(f"/runs/{child.pk}")
    assert "edited" in words(one(page, "#tree"))


@pytest.mark.parametrize(
    ("changed", "field"),
    [({"state": "{"}, "state"), ({"state": '{"n": "x", "to": ""}'}, "state"), ({"mode": "wet"}, "mode")],
)
def test_what_does_not_fit_is_told_at_its_field(
    ada: Client, see: See, mailing: Run, changed: dict[str, str], field: str
) -> None:
    sent = fields(see(f"/runs/{mailing.pk}/fork?from=10"))
    response = ada.post(f"/runs/{mailing.pk}/fork", sent | changed)
    assert response.status_code == 422
    assert f'id="{field}-error"' in response.content.decode()
    assert Run.objects.count() == 1


def test_where_no_fork_can_begin_the_nearest_place_is_offered(see: See, mailing: Run) -> None:
    page = see(f"/runs/{mailing.pk}/fork?from=99", status=404)
    assert attribute(one(page, "#nearest"), "href") == f"/runs/{mailing.pk}/fork?from=11"


def test_a_state_that_is_too_long_to_be_edited_takes_a_patch(
    ada: Client, see: See, mailing: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runs.presenters.fork_form.EDITABLE_CHARACTERS", 10)
    sent = fields(see(f"/runs/{mailing.pk}/fork?from=10"))
    assert "state" not in sent
    patch = [{"op": "replace", "path": "/to", "value": "bob"}]
    bad = ada.post(
        f"/runs/{mailing.pk}/fork", sent | {"patch": '[{"op": "replace", "path": "/x", "value": 1}]'}
    )
    assert 'id="patch-error"' in bad.content.decode()
    assert ada.post(f"/runs/{mailing.pk}/fork", sent | {"patch": json.dumps(patch)}).status_code == 302
    assert state(Run.objects.get(forked_from=mailing))["to"] == "bob"


def test_the_step_offers_both_ways_and_a_viewer_is_offered_none(
    see: See, browser_of: Callable[[Role], Client], mailing: Run
) -> None:
    step = see(f"/runs/{mailing.pk}/steps/10")
    assert [attribute(link, "href") for link in step.select(".ways a")] == [
        f"/runs/{mailing.pk}/fork?from=10",
        f"/runs/{mailing.pk}/rewind?to=10",
    ]
    viewer = browser_of(Role.VIEWER)
    assert f"/runs/{mailing.pk}/fork" not in viewer.get(f"/runs/{mailing.pk}").content.decode()
    for way in ("fork", "rewind"):
        assert viewer.get(f"/runs/{mailing.pk}/{way}").status_code == 403
    assert viewer.get(f"/runs/{mailing.pk}/branches").status_code == 200


def test_a_rewind_says_first_what_becomes_of_what_was_written(ada: Client, see: See, mailing: Run) -> None:
    page = see(f"/runs/{mailing.pk}/rewind?to=10")
    assert words(one(page, ".effects tbody tr")).endswith("Not repeated")
    assert ada.post(f"/runs/{mailing.pk}/rewind", {"to": "10", "reason": "again"}).status_code == 302
    mailing.refresh_from_db()
    assert (mailing.status, mailing.branch) == ("queued", 2)
    refused = see(f"/runs/{mailing.pk}/rewind?to=10", status=409)
    assert "It cannot be rewound now." in words(refused)
    assert one(refused, "#run-head #pause-open")


def test_the_lanes_tell_where_each_branch_and_fork_comes_from(see: See, mailing: Run) -> None:
    child = fork(mailing, 3, "dry")
    drive(rewind_run(actor=actor_of(mailing), run_id=mailing.pk, seq=10, reason="the look was wrong"))
    page = see(f"/runs/{mailing.pk}/branches")
    told = [words(item) for item in page.select(".lane-list li")]
    assert [line.split(" ")[0] for line in told] == ["Branch", "Branch", "Fork"]
    assert "Rewound by Ada to step 10, going on with send" in told[1]
    assert "the look was wrong" in told[1]
    assert [attribute(link, "href") for link in page.select(".lane-title a")] == [
        f"/runs/{mailing.pk}/steps/1",
        f"/runs/{mailing.pk}/steps/15",
        f"/runs/{child.pk}",
    ]
    assert len(page.select("line.lane")) == 3
    origin = see(f"/runs/{child.pk}/branches")
    assert "Forked by Ada from step 3 of “test-mailing”" in words(one(origin, ".lane-list"))
    mailing.delete()
    assert "(deleted since)" in words(one(see(f"/runs/{child.pk}/branches"), ".lane-list"))


def test_the_branch_that_was_left_is_dimmed_in_the_tree(see: See, mailing: Run) -> None:
    run = drive(rewind_run(actor=actor_of(mailing), run_id=mailing.pk, seq=10))
    tree = see(f"/runs/{run.pk}/steps/12")
    left = {row["id"] for row in tree.select(".row.left")}
    assert {"s11", "s12"} <= left
    assert "s10" not in left
    assert "inherited" in words(one(see(f"/runs/{run.pk}/steps/16"), "#s16"))


def test_before_a_new_write_of_a_recorded_fork_somebody_is_asked(ada: Client, see: See, mailing: Run) -> None:
    child = fork(mailing, 10, "recorded", state_patch=[{"op": "replace", "path": "/to", "value": "bob"}])
    advance(claim(a_worker()))
    child.refresh_from_db()
    seq = child.waiting_on["seq"]
    page = see(f"/runs/{child.pk}")
    assert "May test.mail be called?" in words(one(page, "#question"))
    assert "this very call was not recorded" in words(one(page, "#question"))
    form = one(see(f"/runs/{child.pk}/steps/{seq}/resolve"), "form.resolve")
    assert [tag["value"] for tag in form.select("input[type=radio]")] == ["allow", "refuse", "ran"]
    sent = {"version": str(child.epoch), "outcome": "run_again", "reason": "yes"}
    refused = ada.post(f"/runs/{child.pk}/steps/{seq}/resolve", sent)
    assert "answer allow, refuse, ran" in refused.content.decode()
    ledger.allow_success()
    assert ada.post(f"/runs/{child.pk}/steps/{seq}/resolve", sent | {"outcome": "allow"}).status_code == 302
    assert drive(child).status == "succeeded"
    assert ledger.entries() == [("mail ada", 1), ("mail bob", 1)]


def test_a_run_whose_rows_fail_their_check_offers_a_fork_from_the_last_good(
    ada: Client, see: See, mailing: Run
) -> None:
    Checkpoint.objects.filter(run=mailing, seq=8).update(body=b"[]", codec=0)
    offered = one(see(f"/runs/{mailing.pk}/verify", target="verdict"), ".acts a")
    assert attribute(offered, "href") == f"/runs/{mailing.pk}/fork?from=7"
    ada.post(f"/runs/{mailing.pk}/verify")
    assert one(see(f"/runs/{mailing.pk}"), f".note a[href='/runs/{mailing.pk}/fork?from=7']")
    sent = fields(see(attribute(offered, "href")))
    assert ada.post(f"/runs/{mailing.pk}/fork", sent).status_code == 302
    ledger.allow_success()
    child = drive(Run.objects.get(forked_from=mailing))
    assert (child.status, state(child)["n"]) == ("succeeded", 10)


def test_long_members_of_a_state_stay_what_they_are_unless_somebody_writes_there(
    ada: Client, see: See, team: Team
) -> None:
    ledger.create()
    register_programs(team_id=team.pk)
    run = drive(a_run("test-mailing", {"to": "ada", "pages": ["word " * 20] * 200}, team=team))
    sent = fields(see(f"/runs/{run.pk}/fork?from=10"))
    typed = json.loads(sent["state"])
    assert typed["pages"] == {"$keep": "/pages"}
    gone = ada.post(f"/runs/{run.pk}/fork", sent | {"state": json.dumps(typed | {"pages": {"$keep": "/no"}})})
    assert "There is nothing at /no to keep." in words(BeautifulSoup(gone.content, "html.parser"))
    assert (
        ada.post(f"/runs/{run.pk}/fork", sent | {"state": json.dumps(typed | {"to": "bob"})}).status_code
        == 302
    )
    assert state(Run.objects.get(forked_from=run)) == state(run, 10) | {"to": "bob"}
