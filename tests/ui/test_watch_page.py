"""The page of what an agent is watched for: rules in words, a form with its errors in place, a preview, and who changed what."""

from collections.abc import Callable
from typing import Any

import pytest
from bs4 import BeautifulSoup
from django.test import Client

from agentops.accounts.models import Team
from agentops.accounts.roles import Actor, Role, Scope
from runs.journal.fence import execute
from runs.models import Agent, AgentVersion
from runs.services.start_run import start_run
from tests.ui.conftest import See
from tests.ui.reading import one, words

pytestmark = pytest.mark.django_db


def read(response: Any) -> BeautifulSoup:
    return BeautifulSoup(response.content, "html.parser")


def filled(page: BeautifulSoup, **changed: str) -> dict[str, str]:
    """What a browser sends of the form, with some fields `changed`; an empty text unticks."""
    sent = {
        str(it["name"]): str(it.get("value", ""))
        for it in page.select("form.watch input")
        if it.get("type") != "checkbox" or it.has_attr("checked")
    }
    for name, value in changed.items():
        sent[f"in-{name}"] = value
    return {name: value for name, value in sent.items() if not (name.endswith("_is_on") and not value)}


def watch(agent: str) -> dict[str, Any]:
    found: dict[str, Any] = Agent.objects.get(slug=agent).watch
    return found


def test_an_admin_sets_rules_sees_what_they_would_do_and_goes_back(
    see: See, ada: Client, version: AgentVersion
) -> None:
    slug = version.agent.slug
    path = f"/agents/{slug}/watch"
    page = see(path)
    assert "the same call came back the same 5 times in a row" in words(one(page, "#looping"))
    assert "Nobody has set rules here" in words(page)
    changed = {
        "looping_identical": "8",
        "looping_ladder": "Notify, hand off after 2 minutes, pause after 1 h",
        "overdue_is_on": "",
        "burning_least_microusd": "0.2",
    }
    shown = [
        one(page, f"[name=in-{name}]")["value"] for name in ("burning_least_microusd", "looping_identical")
    ]
    assert shown == ["0.05", "5"], "in dollars, and as a whole number"
    looked = read(ada.post(path, filled(page, **changed) | {"preview": "1"}))
    told = words(one(looked, "#preview"))
    assert "8 times in a row" in told
    assert "people are told, a fresh session begins after 2 min, it is paused after 1 h." in told
    assert "Not watched for." in told
    assert watch(slug) == {}
    assert ada.post(path, filled(looked)).status_code == 302, "the form still says what was typed"
    assert watch(slug) == {
        "looping": {"identical": 8, "ladder": [
            {"do": "notify", "after_seconds": 0.0}, {"do": "hand_off", "after_seconds": 120}, {"do": "pause", "after_seconds": 3600},
        ]},
        "overdue": {"is_on": False},
        "burning": {"least_microusd": 200_000},
    }  # fmt: skip
    after = see(path)
    assert "set here" in words(one(after, "#looping"))
    assert "default" in words(one(after, "#stuck"))
    assert "8 times in a row" in words(one(after, "section.panel:last-of-type"))
    stale = ada.post(path, filled(page, looping_identical="9"))
    assert (stale.status_code, "Theirs hold" in words(read(stale))) == (409, True)
    assert ada.post(path, filled(after) | {"reset": "1"}).status_code == 302
    assert watch(slug) == {}


def test_what_does_not_fit_is_said_at_its_field_and_nothing_is_saved(
    see: See, ada: Client, version: AgentVersion
) -> None:
    path = f"/agents/{version.agent.slug}/watch"
    wrong = {
        "looping_identical": "many", "stuck_failures": "0", "stalled_ladder": "notify, panic", "orphan_ladder": "pause after 3 fortnights",
        "runaway_ladder": "pause after 1 h, notify after 1 s", "overdue_times": "",
    }  # fmt: skip
    sent = filled(see(path), **wrong)
    first = read(ada.post(path, sent))
    assert "no remedy 'panic'" in words(one(first, "#in-stalled_ladder-error"))
    assert "'fortnights' is no unit of time" in words(one(first, "#in-orphan_ladder-error"))
    assert one(first, "#in-looping_identical-error")
    assert one(first, "#in-overdue_times-error")
    good = {
        "in-looping_identical": "5",
        "in-stalled_ladder": "",
        "in-orphan_ladder": "",
        "in-overdue_times": "3",
    }
    response = ada.post(path, sent | good)
    assert response.status_code == 422
    assert "must be a number from 1" in words(one(read(response), "#in-stuck_failures-error"))
    ladder = read(ada.post(path, sent | good | {"in-stuck_failures": "3"}))
    assert "earlier than that of the remedy before it" in words(one(ladder, "#in-runaway_ladder-error"))
    assert watch(version.agent.slug) == {}


def test_a_preview_names_the_open_runs_that_only_the_new_rules_speak_up_about(
    see: See, ada: Client, team: Team, version: AgentVersion
) -> None:
    actor = Actor(team.pk, None, "anna", frozenset(Scope))
    run, _ = start_run(actor=actor, agent=version.agent.slug, input={"root": "https://example.org/"})
    execute("UPDATE runs_run SET queued_at = clock_timestamp() - interval '30 s'", {})
    path = f"/agents/{version.agent.slug}/watch"
    page = see(path)
    same = words(one(read(ada.post(path, filled(page) | {"preview": "1"})), "#preview"))
    assert "This says what holds already." in same
    assert "They find there what the rules in force find." in same
    sooner = one(read(ada.post(path, filled(page, no_worker_seconds="10") | {"preview": "1"})), "#preview")
    assert "no worker has served its queue for 10 s" in words(sooner)
    assert "They would speak up 1 time more than now" in words(sooner)
    assert one(sooner, f"a[href='/runs/{run.pk}']")
    execute("UPDATE runs_run SET queued_at = clock_timestamp() - interval '1 h'", {})
    later = ada.post(path, filled(page, no_worker_is_on="") | {"preview": "1"})
    assert "1 episode would be over." in words(one(read(later), "#preview"))


def test_others_read_the_rules_and_change_nothing(
    browser_of: Callable[[Role], Client], version: AgentVersion
) -> None:
    path, viewer = f"/agents/{version.agent.slug}/watch", browser_of(Role.VIEWER)
    page = read(viewer.get(path))
    assert "the same call came back the same 5 times in a row" in words(page)
    assert not page.select("form.watch")
    assert browser_of(Role.OPERATOR).post(path, {"reset": "1"}).status_code == 403
    assert viewer.get("/agents/nobody/watch").status_code == 404
