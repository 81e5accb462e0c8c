"""The pages of events, sources and triggers."""

from collections.abc import Callable
from typing import Any

import pytest
from bs4 import BeautifulSoup
from django.test import Client

from agentops.accounts.models import Team
from agentops.accounts.roles import Actor, Role, Scope
from agentops.common.standard_webhooks import headers_of, key_of_text
from runs.models import AgentVersion, Event, Run, Source, Trigger
from runs.selectors.schedules import database_now
from runs.services.create_source import create_source
from runs.services.create_trigger import create_trigger
from runs.services.publish_event import publish_event
from tests.ui import builders
from tests.ui.conftest import See
from tests.ui.reading import attribute, one, words

pytestmark = pytest.mark.django_db

EVIL = "<script>x</script>\u202e"


@pytest.fixture
def anna(team: Team) -> Actor:
    return Actor(team.pk, None, "anna", frozenset(Scope))


def read(response: Any) -> BeautifulSoup:
    return BeautifulSoup(response.content, "html.parser")


def fill(page: BeautifulSoup) -> dict[str, str]:
    """Return what a browser would send of the form on a page."""
    sent = dict[str, str]()
    for field in one(page, "form.form").select("input[name], textarea[name], select[name]"):
        if field.get("type") != "checkbox" or field.has_attr("checked"):
            chosen = field.select_one("option[selected]")
            value = chosen["value"] if chosen else field.get("value", field.get_text().removeprefix("\n"))
            sent[attribute(field, "name")] = "" if field.name == "select" and not chosen else str(value or "")
    return sent


def test_empty_pages_say_what_belongs_there(see: See, team: Team) -> None:
    assert "No event has come yet." in words(see("/events"))
    assert "No such event has come." in words(see("/events?name=x"))
    assert "There is no source yet." in words(see("/sources"))
    assert "No event starts anything yet." in words(see("/triggers"))


@pytest.mark.parametrize("at", ["/events", "/sources", "/sources/new", "/triggers", "/events/publish"])
def test_the_rail_shows_one_room_for_all_of_them(see: See, team: Team, at: str) -> None:
    assert [words(room) for room in see(at).select(".rail .room[aria-current]")] == ["Events"]


def test_a_webhook_is_made_and_its_secret_shown_once(see: See, ada: Client) -> None:
    sent = fill(see("/sources/new")) | {"in-slug": "shop", "in-key_pointer": "/invoice"}
    answer = ada.post("/sources/new", sent)
    assert answer["Cache-Control"] == "no-store"
    page = read(answer)
    secret = words(one(page, "#new-secret"))
    assert "http://testserver/hooks/shop" in words(page)
    assert "webhook-signature" in words(one(page, "#example"))
    body = b'{"type": "paid", "invoice": "A-1"}'
    headers = headers_of("d", int(database_now().timestamp()), body, [key_of_text(secret)])
    told = Client().post("/hooks/shop", body, content_type="application/json", headers=headers)
    assert told.status_code == 202
    again = see("/sources/shop")
    assert again.select("#new-secret") == []
    assert secret not in again.text
    assert "shop.paid A-1" in words(one(again, ".events tbody tr"))
    row = words(one(see("/sources"), "tbody tr"))
    assert "Active shop Webhook" in row
    assert Event.objects.get().key == "A-1"


@pytest.mark.parametrize("kind", ["webhook", "github", "redis", "folder", "sql", "imap", "runs"])
def test_every_kind_has_a_form_that_says_what_is_missing(see: See, ada: Client, kind: str) -> None:
    page = see(f"/sources/new?kind={kind}")
    assert attribute(one(page, "[aria-label=Kind] [aria-current]"), "href") == f"?kind={kind}"
    answer = ada.post("/sources/new", fill(page))
    assert answer.status_code == 422
    assert "This is needed." in words(one(read(answer), "#in-slug-error"))
    assert not Source.objects.exists()


def test_what_does_not_fit_stands_at_its_field(see: See, ada: Client) -> None:
    sent = fill(see("/sources/new?kind=redis")) | {"in-slug": "A!", "in-url": "redis://r", "in-stream": "s"}
    assert "lower-case" in words(one(read(ada.post("/sources/new", sent)), "#in-slug-error"))
    sent |= {"in-slug": "orders", "in-key_pointer": "x"}
    page = read(ada.post("/sources/new", sent))
    assert "JSON pointer" in words(one(page, "#in-key_pointer-error"))
    assert one(page, "#in-url")["value"] == "redis://r"


def test_a_source_is_paused_and_gets_another_secret_and_goes(see: See, ada: Client, anna: Actor) -> None:
    create_source(actor=anna, slug="shop", kind="webhook")
    ada.post("/sources/shop/pause")
    assert "Paused" in words(one(see("/sources/shop"), ".title"))
    ada.post("/sources/shop/resume")
    before = bytes(Source.objects.get().secret or b"")
    page = read(ada.post("/sources/shop/secret", fill(see("/sources/shop/secret"))))
    assert words(one(page, "#new-secret")).startswith("whsec_")
    assert bytes(Source.objects.get().secret or b"") != before
    stale = ada.post("/sources/shop/delete", {"version": "1"})
    assert stale.status_code == 409
    seen = {"version": attribute(one(read(stale), "[name=version]"), "value")}
    assert "is deleted" in words(read(ada.post("/sources/shop/delete", seen, follow=True)))
    assert not Source.objects.exists()


def test_trouble_is_told_on_the_list_and_on_the_page(see: See, anna: Actor) -> None:
    create_source(actor=anna, slug="ends", kind="runs")
    Source.objects.update(last_error="no route to host", last_error_at="2026-01-01T00:00:00Z")
    assert "Trouble" in words(one(see("/sources"), "tbody tr"))
    assert "It cannot be read since" in words(see("/sources/ends"))
    assert "no route to host" in words(see("/sources/ends"))


def test_an_event_is_published_by_hand_and_shown(see: See, ada: Client, team: Team) -> None:
    sent = fill(see("/events/publish?name=tick")) | {"in-payload": '{"n": 1}', "in-key": "k", "in-id": "7"}
    assert sent["in-name"] == "tick"
    answer = ada.post("/events/publish", sent)
    event = Event.objects.get()
    assert answer["Location"] == f"/events/{event.id}"
    page = see(answer["Location"])
    assert '"n": 1' in words(one(page, ".value"))
    assert "It ended 0 waits." in words(page)
    ada.post("/events/publish", sent)
    assert Event.objects.count() == 1
    wrong = read(ada.post("/events/publish", sent | {"in-payload": "{"}))
    assert "This is not JSON" in words(one(wrong, "#in-payload-error"))
    clash = ada.post("/events/publish", sent | {"in-payload": "2"})
    assert clash.status_code == 422
    assert "another content" in words(one(read(clash), "#told"))
    assert fill(see(f"/events/publish?from={event.id}"))["in-key"] == "k"


def test_the_list_of_events_is_of_one_name_and_refreshes_in_place(see: See, anna: Actor) -> None:
    for name in ("tick", "tock"):
        publish_event(actor=anna, name=name, payload={"n": 1})
    page = see("/events?name=tick")
    assert len(page.select("tbody tr")) == 1
    part = see(attribute(one(page, "#events"), "hx-get"), target="events")
    assert part.select("html") == []
    assert words(one(part, ".name")) == "tick"


def test_a_trigger_is_tried_on_the_last_event_and_then_made(
    see: See, ada: Client, anna: Actor, version: AgentVersion
) -> None:
    publish_event(actor=anna, name="shop.paid", payload={"n": 4, "who": EVIL})
    page = see("/triggers/new?event_name=shop.paid")
    sent = fill(page) | {"in-agent": '"site-research"', "in-input_template": '{"root": {"$": "/payload/n"}}'}
    region = one(page, "#preview")
    shown = ada.get(attribute(region, "hx-get"), sent, headers={"HX-Request": "true", "HX-Target": "preview"})
    assert '"root": 4' in words(one(read(shown), ".value"))
    assert "is not of type" in words(read(shown))
    assert not Trigger.objects.exists()
    plain = ada.post("/triggers/new", sent | {"do": "preview"})
    assert plain.status_code == 200
    assert '"root": 4' in words(one(read(plain), "#preview"))
    made = ada.post("/triggers/new", sent | {"in-input_template": '{"root": "https://a.example/"}'})
    trigger = Trigger.objects.get()
    assert made["Location"] == f"/triggers/{trigger.id}"
    publish_event(actor=anna, name="shop.paid", payload={})
    run = Run.objects.get()
    history = one(see(f"/triggers/{trigger.id}"), ".fires")
    assert one(history, f'a[href="/runs/{run.id}"]')
    started = one(see(f"/events/{Event.objects.latest('received_at').id}"), ".fires")
    assert one(started, f'a[href="/runs/{run.id}"]')
    assert "1 run" in words(see("/events").select("tbody tr")[0])


def test_what_cannot_be_a_trigger_is_told_at_its_field(see: See, ada: Client, version: AgentVersion) -> None:
    sent = fill(see("/triggers/new")) | {"in-event_name": "x", "in-agent": '"site-research"'}
    for field, value, told in (
        ("match", "[1]", "must be an object"),
        ("match", "{", "This is not JSON"),
        ("input_template", '{"a": {"$": "b"}}', "must be a pointer"),
        ("event_name", "x" * 201, "1 to 200 characters"),
        ("agent", "", "This is needed."),
        ("priority", "900", "between -100 and 100"),
    ):
        answer = ada.post("/triggers/new", sent | {f"in-{field}": value})
        assert answer.status_code == 422
        assert told in words(one(read(answer), f"#in-{field}-error"))
    assert not Trigger.objects.exists()


def test_a_trigger_is_paused_and_deleted(see: See, ada: Client, anna: Actor, version: AgentVersion) -> None:
    at = f"/triggers/{create_trigger(actor=anna, agent='site-research', event_name='tick').pk}"
    ada.post(f"{at}/pause")
    assert "Paused" in words(one(see(at), ".title"))
    ada.post(f"{at}/resume")
    assert "Active" in words(one(see("/triggers"), "tbody tr"))
    assert "no longer start" in words(one(see(f"{at}/delete"), "main form"))
    ada.post(f"{at}/delete")
    assert not Trigger.objects.exists()


def test_hostile_words_are_shown_as_text(see: See, ada: Client, anna: Actor, version: AgentVersion) -> None:
    event, _, _ = publish_event(actor=anna, name=EVIL, key=EVIL, payload={EVIL: EVIL})
    trigger = create_trigger(
        actor=anna, agent="site-research", event_name=EVIL, match={EVIL: EVIL}, input_template={EVIL: EVIL}
    )
    for at in (
        "/events", "/triggers", f"/events/{event.id}", f"/triggers/{trigger.pk}", f"/triggers/{trigger.pk}/delete",
    ):  # fmt: skip
        page = see(at)
        assert page.select("main script") == []
        assert "⟨U+202E⟩" in words(page)
    for at in (
        f"/triggers/new?event_name={EVIL}",
        f"/events/publish?from={event.id}",
        f"/events?name={EVIL}",
    ):
        assert see(at).select("main script") == []


def test_who_may_only_look_changes_nothing(
    browser_of: Callable[[Role], Client], anna: Actor, version: AgentVersion
) -> None:
    create_source(actor=anna, slug="shop", kind="webhook")
    trigger = create_trigger(actor=anna, agent="site-research", event_name="tick")
    viewer, operator = browser_of(Role.VIEWER), browser_of(Role.OPERATOR)
    for at in ("/sources", "/sources/shop", "/triggers", f"/triggers/{trigger.pk}"):
        assert read(viewer.get(at)).select("main form, main .btn") == []
    assert viewer.get("/events/publish").status_code == viewer.get("/triggers/new").status_code == 403
    assert operator.get("/sources/new").status_code == 403
    for at in ("shop/pause", "shop/resume", "shop/secret", "shop/delete", "new"):
        assert operator.post(f"/sources/{at}").status_code == 403
    for verb in ("pause", "resume", "delete"):
        assert viewer.post(f"/triggers/{trigger.pk}/{verb}").status_code == 403


def test_what_belongs_to_another_team_is_not_found(ada: Client) -> None:
    rivals = builders.a_team("rivals")
    builders.an_agent(rivals, program="test-steps")
    eve = Actor(rivals.pk, None, "eve", frozenset(Scope))
    create_source(actor=eve, slug="theirs", kind="webhook")
    trigger = create_trigger(actor=eve, agent="site-research", event_name="tick")
    event, _, _ = publish_event(actor=eve, name="tick", payload={})
    for at in ("/sources/theirs", "/sources/theirs/secret", f"/triggers/{trigger.pk}", f"/events/{event.id}"):
        assert ada.get(at).status_code == 404
    assert "tick" not in words(read(ada.get("/events")))
