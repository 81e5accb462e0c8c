"""The pages of schedules: the list, one with its history, the forms, and what people do there."""

from collections.abc import Callable
from typing import Any

import pytest
from bs4 import BeautifulSoup
from django.test import Client

from agentops.accounts.models import Team, User
from agentops.accounts.roles import Actor, Role, Scope
from runs.checkpoints.codec import decode
from runs.models import AgentVersion, Run, Schedule, ScheduleFire
from runs.services.fire_schedules import fire_schedules
from runs.services.update_schedule import update_schedule
from tests.schedules import a_schedule, set_back
from tests.ui import builders
from tests.ui.builders import RunBuilder
from tests.ui.conftest import See
from tests.ui.reading import attribute, one, words

pytestmark = pytest.mark.django_db

INPUT = {"root": "https://docs.example.org/"}


@pytest.fixture
def anna(team: Team) -> Actor:
    return Actor(team.pk, None, "anna", frozenset(Scope))


@pytest.fixture
def schedule(anna: Actor, version: AgentVersion) -> Schedule:
    return a_schedule(
        "0 9 * * 1-5",
        agent="site-research",
        actor=anna,
        input=INPUT,
        title="Morning crawl",
        time_zone="Asia/Tokyo",
    )


def fill(page: BeautifulSoup) -> dict[str, str]:
    """Return what a browser would send of the form on a page."""
    form, sent = one(page, "form.form"), dict[str, str]()
    for field in form.select("input[name], textarea[name], select[name]"):
        kind = field.get("type")
        if kind not in ("radio", "checkbox") or field.has_attr("checked"):
            chosen = field.select_one("option[selected]") or field.select_one("option")
            value = chosen["value"] if chosen else field.get("value", field.get_text().removeprefix("\n"))
            sent[attribute(field, "name")] = str(value or "")
    return sent


def read(response: Any) -> BeautifulSoup:
    return BeautifulSoup(response.content, "html.parser")


def test_the_list_tells_when_what_came_of_it_and_what_comes(see: See, schedule: Schedule) -> None:
    set_back(schedule, seconds=5)
    fire_schedules()
    row = words(one(see("/schedules"), "tbody tr"))
    for told in (
        "Active",
        "Morning crawl",
        "site-research",
        "At 09:00 on Monday through Friday",
        "Asia/Tokyo",
        "Started",
    ):
        assert told in row


def test_an_empty_list_says_what_schedules_are_for(see: See, version: AgentVersion) -> None:
    assert "Nothing is scheduled yet." in words(see("/schedules"))
    assert "No schedule starts this agent." in words(see("/schedules?agent=other"))


def test_the_rail_leads_to_it(see: See, schedule: Schedule) -> None:
    here = [words(room) for room in see(f"/schedules/{schedule.id}").select(".rail .room[aria-current]")]
    assert here == ["Schedules"]


def test_the_page_shows_the_next_times_in_both_zones(see: See, ada: Client, schedule: Schedule) -> None:
    User.objects.update(time_zone="Europe/Berlin")
    first, *rest = see(f"/schedules/{schedule.id}").select(".times li")
    assert len(rest) == 4
    assert "09:00 JST" in words(first)
    assert "yours: " in words(first)
    User.objects.update(time_zone="Asia/Tokyo")
    assert "yours" not in words(see(f"/schedules/{schedule.id}").select(".times li")[0])


def test_the_history_says_what_came_of_each_time_and_why(see: See, schedule: Schedule) -> None:
    set_back(schedule, days=3)
    fire_schedules()
    set_back(schedule, seconds=2)
    fire_schedules()
    skipped, started, missed = (
        words(row) for row in see(f"/schedules/{schedule.id}").select(".fires tbody tr")
    )
    assert "Skipped" in skipped
    assert "has not ended" in skipped
    assert "Started Morning crawl Queued" in started
    assert "Missed" in missed
    assert "no clock ran" in missed
    assert one(see(f"/schedules/{schedule.id}"), f'.fires .t-age a[href="/runs/{Run.objects.get().id}"]')


def test_the_history_refreshes_by_itself_and_in_place(see: See, schedule: Schedule) -> None:
    region = one(see(f"/schedules/{schedule.id}"), "#schedule")
    assert region["hx-trigger"] == "every 5s"
    part = see(attribute(region, "hx-get"), target="schedule")
    assert part.select("html") == []
    assert one(part, "#schedule")


def test_a_long_history_comes_in_pages(see: See, schedule: Schedule) -> None:
    for day in range(1, 26):
        ScheduleFire.objects.create(
            schedule=schedule,
            team_id=schedule.team_id,
            fire_at=f"2026-01-{day:02d}T09:00:00Z",
            status="replaced",
        )
    page = see(f"/schedules/{schedule.id}")
    assert len(page.select(".fires tbody tr")) == 20
    rest = see(f"/schedules/{schedule.id}{attribute(one(page, 'a[rel=next]'), 'href')}")
    assert len(rest.select(".fires tbody tr")) == 5
    assert not one(rest, "#schedule").has_attr("hx-trigger")


def test_a_schedule_is_made_from_the_form(see: See, ada: Client, version: AgentVersion) -> None:
    User.objects.update(time_zone="Europe/Berlin")
    page = see("/schedules/new")
    assert one(page, "#time_zone")["value"] == "Europe/Berlin"
    sent = fill(page) | {
        "in-root": "https://a.example/",
        "cron": "@daily",
        "tags": "a, b c",
        "overlap": "queue",
        "title": "Docs",
    }
    answer = ada.post("/schedules/new", sent)
    made = Schedule.objects.get()
    assert answer["Location"] == f"/schedules/{made.id}"
    assert (made.cron, made.time_zone, made.tags, made.overlap, made.missed, made.title, made.created_by) == (
        "@daily", "Europe/Berlin", ["a", "b c"], "queue", "once", "Docs", "ada",
    )  # fmt: skip
    assert decode(made.input_codec, made.input)["root"] == "https://a.example/"
    assert ada.post("/schedules/new", sent)["Location"] == answer["Location"]
    again = read(ada.post("/schedules/new", sent | {"cron": "@hourly"}))
    assert "already made a schedule" in words(one(again, "[role=alert]"))
    assert Schedule.objects.count() == 1


@pytest.mark.parametrize(
    ("field", "value", "told"),
    [
        ("cron", "0 25 * * *", "At character 3: '25' is no hour"),
        ("time_zone", "Berlin", "did you mean Europe/Berlin?"),
        ("title", "x" * 201, "Must have 1 to 200 characters"),
        ("priority", "high", "This must be a whole number."),
        ("priority", "999", "Must be between -100 and 100"),
        ("tags", ", ".join("abcdefghijklmnopqrstuvwxyz"), "At most 20 tags"),
        ("missed", "never", "Must be one of skip, once, all"),
    ],
)
def test_what_does_not_fit_is_told_at_its_field_and_what_was_typed_stays(
    see: See, ada: Client, version: AgentVersion, field: str, value: str, told: str
) -> None:
    answer = ada.post(
        "/schedules/new", fill(see("/schedules/new")) | {"in-root": INPUT["root"], field: value}
    )
    assert answer.status_code == 422
    page = read(answer)
    assert told in words(one(page, f"#{field}-error"))
    if field != "missed":
        assert one(page, f"#{field}")["value"] == value
        assert one(page, f"#{field}")["aria-invalid"] == "true"
    assert one(page, "#in-root")["value"] == INPUT["root"]
    assert not Schedule.objects.exists()


def test_an_input_that_does_not_fit_is_told_at_the_agents_own_fields(
    see: See, ada: Client, version: AgentVersion
) -> None:
    sent = fill(see("/schedules/new")) | {"in-root": "short", "in-max_pages": "x"}
    assert "whole number" in words(one(read(ada.post("/schedules/new", sent)), "#in-max_pages-error"))
    page = read(ada.post("/schedules/new", sent | {"in-max_pages": "1"}))
    assert "is shorter than 8 characters" in words(one(page, "#in-root-error"))


def test_the_times_are_shown_while_one_types(see: See, version: AgentVersion) -> None:
    region = one(see("/schedules/new"), "#times")
    shown = see(f"{region['hx-get']}?cron=30+2+*+*+*&time_zone=Asia/Kolkata", target="times")
    assert words(one(shown, "b")) == "At 02:30 every day"
    assert len(shown.select("li")) == 5
    wrong = see(f"{region['hx-get']}?cron=30+2+*+*&time_zone=Europe/Berln", target="times")
    assert "this one has 4" in words(one(wrong, "#cron-error"))
    assert "did you mean Europe/Berlin?" in words(one(wrong, "#time_zone-error"))


def test_without_a_script_a_button_shows_the_times(see: See, ada: Client, version: AgentVersion) -> None:
    sent = fill(see("/schedules/new")) | {"cron": "@hourly", "do": "preview", "in-root": ""}
    answer = ada.post("/schedules/new", sent)
    assert answer.status_code == 200
    page = read(answer)
    assert len(page.select("#times li")) == 5
    assert page.select(".fail") == []
    assert not Schedule.objects.exists()


def test_the_form_is_filled_with_the_input_of_an_earlier_run(see: See, version: AgentVersion) -> None:
    run = RunBuilder(version, state={"root": "https://earlier.example/"}).save()
    page = see(f"/schedules/new?agent=site-research&from={run.id}")
    assert one(page, "#in-root")["value"] == "https://earlier.example/"


def test_editing_shows_what_stands_and_saves_it(see: See, ada: Client, schedule: Schedule) -> None:
    at = f"/schedules/{schedule.id}/edit"
    sent = fill(see(at))
    assert (sent["cron"], sent["time_zone"], sent["in-root"]) == ("0 9 * * 1-5", "Asia/Tokyo", INPUT["root"])
    answer = ada.post(
        at,
        sent
        | {
            "title": "Evening crawl",
            "cron": "0 18 * * *",
            "agent_version": "1",
            "fire_at_property": "topics",
        },
    )
    assert answer.status_code == 422  # a time is no list
    assert "is not of type" in words(one(read(answer), "#in-topics-error"))
    assert (
        ada.post(
            at, sent | {"title": "Evening crawl", "cron": "0 18 * * *", "agent_version": "1"}
        ).status_code
        == 302
    )
    schedule.refresh_from_db()
    assert (schedule.title, schedule.cron, schedule.version, schedule.updated_by) == (
        "Evening crawl",
        "0 18 * * *",
        2,
        "ada",
    )
    assert schedule.agent_version
    assert one(see(at), "details.more").has_attr("open")


def test_saving_over_somebody_elses_change_is_asked_about_first(
    see: See, ada: Client, anna: Actor, schedule: Schedule
) -> None:
    at = f"/schedules/{schedule.id}/edit"
    sent = fill(see(at)) | {"title": "Mine"}
    update_schedule(actor=anna, schedule_id=schedule.id, changes={"title": "Hers"})
    answer = ada.post(at, sent)
    assert answer.status_code == 409
    page = read(answer)
    assert "anna changed the schedule meanwhile" in words(one(page, "#told"))
    assert one(page, "#title")["value"] == "Mine"
    assert ada.post(at, fill(page)).status_code == 302
    schedule.refresh_from_db()
    assert schedule.title == "Mine"


def test_firing_by_hand_tells_what_came_of_it(see: See, ada: Client, schedule: Schedule) -> None:
    at = f"/schedules/{schedule.id}"
    key = {"idempotency_key": attribute(one(see(at), "[name=idempotency_key]"), "value")}
    for _ in range(2):
        assert ada.post(f"{at}/fire", key)["Location"] == at
    assert Run.objects.count() == 1
    row = words(see(at).select(".fires tbody tr")[0])
    assert "fired by ada" in row
    told = words(read(ada.post(f"{at}/fire", {}, follow=True)).select("#main > .note")[0])
    assert told.startswith("Skipped: run ")


def test_pausing_and_resuming(see: See, ada: Client, schedule: Schedule) -> None:
    at = f"/schedules/{schedule.id}"
    ada.post(f"{at}/pause")
    page = see(at)
    assert "Paused" in words(one(page, ".title"))
    assert "None while it is paused." in words(page)
    ada.post(f"{at}/resume")
    assert len(see(at).select(".times li")) == 5


def test_deleting_asks_first(see: See, ada: Client, anna: Actor, schedule: Schedule) -> None:
    at = f"/schedules/{schedule.id}/delete"
    form = one(see(at), "main form")
    assert "Morning crawl" in words(form)
    seen = {"version": attribute(one(form, "[name=version]"), "value")}
    update_schedule(actor=anna, schedule_id=schedule.id, changes={"title": "Hers"})
    assert ada.post(at, seen).status_code == 409
    assert "is deleted" in words(read(ada.post(at, {"version": "2"}, follow=True)))
    assert not Schedule.objects.exists()


def test_hostile_words_are_shown_as_text(see: See, anna: Actor, version: AgentVersion) -> None:
    evil = "<script>x</script>\u202e"
    schedule = a_schedule(
        agent="site-research", actor=anna, input=INPUT | {"topics": [evil]}, title=evil, tags=[evil]
    )
    for at in (
        "/schedules",
        f"/schedules/{schedule.id}",
        f"/schedules/{schedule.id}/edit",
        f"/schedules/{schedule.id}/delete",
    ):
        page = see(at)
        assert page.select("main script") == []
        assert "⟨U+202E⟩" in words(page) or "edit" in at


def test_a_viewer_sees_and_changes_nothing(browser_of: Callable[[Role], Client], schedule: Schedule) -> None:
    viewer, at = browser_of(Role.VIEWER), f"/schedules/{schedule.id}"
    page = read(viewer.get(at))
    assert page.select("main form, main .btn") == []
    assert "Make a schedule" not in words(read(viewer.get("/schedules")))
    assert viewer.get("/schedules/new").status_code == viewer.get(f"{at}/edit").status_code == 403
    for verb in ("fire", "pause", "resume", "delete", "edit"):
        assert viewer.post(f"{at}/{verb}").status_code == 403


def test_another_teams_schedule_is_not_found(ada: Client) -> None:
    rivals = builders.a_team("rivals")
    builders.an_agent(rivals, program="test-steps")
    theirs = a_schedule(
        agent="site-research", actor=Actor(rivals.pk, None, "eve", frozenset(Scope)), input=INPUT
    )
    for part in ("", "/edit", "/delete"):
        assert ada.get(f"/schedules/{theirs.id}{part}").status_code == 404
    assert theirs.title.encode() not in ada.get("/schedules").content


@pytest.mark.parametrize("odd", ["", "\0", "9" * 5000, "\ud7ff\u202e٣"])
def test_whatever_is_typed_the_forms_say_what_is_wrong(
    see: See, ada: Client, schedule: Schedule, odd: str
) -> None:
    ada.raise_request_exception = False
    for at in ("/schedules/new", f"/schedules/{schedule.id}/edit"):
        filled = fill(see(at))
        for name in filled.keys() - {"csrfmiddlewaretoken", "agent"}:
            assert ada.post(at, filled | {name: odd}).status_code < 500, name
        if "\0" not in odd:
            assert ada.get(at, {"cron": odd, "time_zone": odd}).status_code < 500
