"""The pages of memory: spaces, items, their history, a search, and taking back what a run wrote."""

from collections.abc import Callable
from typing import Any

import pytest
from bs4 import BeautifulSoup
from django.test import Client

from agentops.accounts.models import Team
from agentops.accounts.roles import Actor, Role, Scope
from agentops.common.ids import new_id
from memory.models import Item, Space
from memory.services.put_item import put_item
from memory.services.revising import Origin
from tests.ui.conftest import See
from tests.ui.reading import attribute, one, words

pytestmark = pytest.mark.django_db

EVIL = "<script>x</script>\u202e"


def read(response: Any) -> BeautifulSoup:
    return BeautifulSoup(response.content, "html.parser")


@pytest.fixture
def facts(team: Team, ada: Client) -> str:
    sent = {"in-slug": "facts", "in-kind": '"semantic"', "in-title": "Facts", "in-write_policy": '"open"'}
    assert ada.post("/memory/new", sent)["Location"] == "/memory/facts"
    return "facts"


def by_a_run(team: Team, key: str, text: str, origin: Origin) -> None:
    anna = Actor(team.pk, None, "anna", frozenset(Scope))
    put_item(actor=anna, space="facts", key=key, text=text, origin=origin)


def test_an_empty_memory_says_what_it_is_for_and_a_mistake_is_told_at_its_field(
    see: See, ada: Client
) -> None:
    assert "Nothing is remembered yet." in words(see("/memory/"))
    refused = ada.post("/memory/new", {"in-slug": "Not A Slug", "in-kind": '"semantic"'})
    assert refused.status_code == 422
    assert "must have 2 to 60 lower-case letters" in words(read(refused))
    assert not Space.objects.exists()


def test_something_is_remembered_found_corrected_and_restored(see: See, ada: Client, facts: str) -> None:
    made = ada.post(
        "/memory/facts/new-item", {"in-key": "office", "in-text": "It is in Lisbon", "in-importance": "0.5"}
    )
    assert made["Location"] == "/memory/facts/office"
    assert "office" in words(one(see("/memory/?q=where+is+the+office+in+lisbon"), "#hits"))
    form = see("/memory/facts/office/edit")
    seen = attribute(one(form, "form.form input[name=version]"), "value")
    sent = {"version": seen, "in-text": "It is in Porto", "in-importance": "0.9"}
    assert ada.post("/memory/facts/office/edit", sent).status_code == 302
    stale = ada.post("/memory/facts/office/edit", sent | {"in-text": "It is in Faro"})
    assert stale.status_code == 409
    assert "It is at version 2 now, written by ada." in words(read(stale))
    history = one(see("/memory/facts/office"), ".history")
    assert [one(li, "b").get_text() for li in history.select("li")] == ["Version 2", "Version 1"]
    assert [mark.get_text() for mark in history.select("mark")][:2] == ["Lisbon", "Porto"]
    assert ada.post("/memory/facts/office/do/restore", {"version": "2", "to": "1"}).status_code == 302
    assert Item.objects.get().text == "It is in Lisbon"
    assert ada.post("/memory/facts/office/do/forget", {"version": "3"}).status_code == 302
    assert "There is nothing here." in words(see("/memory/facts"))
    assert "office" in words(see("/memory/facts?status=forgotten"))


def test_what_a_run_wrote_is_listed_and_taken_back(see: See, ada: Client, team: Team, facts: str) -> None:
    run_id = new_id()
    by_a_run(team, "a", "wrong", Origin("run", run_id=run_id, seq=2))
    by_a_run(team, "b", "wrong, too", Origin("run", run_id=run_id, seq=3))
    assert "Undo all 2 items" in words(see(f"/memory/runs/{run_id}"))
    assert ada.post(f"/memory/runs/{run_id}", {"reason": "it misread the page"}).status_code == 302
    assert set(Item.objects.values_list("status", flat=True)) == {"forgotten"}
    assert "Undo" not in words(one(see(f"/memory/runs/{run_id}"), ".head"))


def test_who_may_only_read_sees_no_button_and_changes_nothing(
    browser_of: Callable[[Role], Client], team: Team, facts: str
) -> None:
    by_a_run(team, "office", "It is in Lisbon", Origin("anna"))
    viewer = browser_of(Role.VIEWER)
    page = read(viewer.get("/memory/facts/office"))
    assert not page.select("main form")
    assert viewer.post("/memory/facts/office/do/forget", {"version": "1"}).status_code == 403
    assert Item.objects.get().version == 1


def test_what_agents_write_is_shown_and_not_executed(see: See, team: Team, facts: str) -> None:
    by_a_run(team, f"key {EVIL.replace('/', '')}", EVIL, Origin("run", run_id=new_id(), seq=1))
    item = Item.objects.get()
    page = see(f"/memory/facts/{item.key}")
    assert "<script>x" not in str(one(page, "main"))
    assert "\u202e" not in words(page)
