"""The page of the audit, its filters, its check and its export."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from agentops.accounts.models import Team
from agentops.accounts.roles import Actor, Role, Scope
from agentops.audit.models import Entry
from agentops.audit.services.record import record
from agentops.audit.services.seal_entries import seal_entries
from agentops.common.transactions import transaction
from tests.ui.conftest import See
from tests.ui.reading import words

pytestmark = pytest.mark.django_db


@pytest.fixture
def entries(team: Team, other_team: Team) -> None:
    """Three things that were done here, and one elsewhere."""
    for team_id, name, action, subject in (
        (team.pk, "anna", "run.kill", "run:0197-a"),
        (team.pk, 'bert "B" <b>', "token.create", "token:t-1"),
        (team.pk, "anna", "run.cancel", "run:0197-b"),
        (other_team.pk, "mallory", "run.kill", "run:0197-c"),
    ):
        with transaction():
            actor = Actor(team_id, None, name, frozenset(Scope))
            record(actor=actor, action=action, subject=subject, detail={"reason": "because"})
    seal_entries()


@pytest.fixture
def other_team(db: None) -> Team:
    return Team.objects.create(slug="elsewhere", name="Elsewhere")


def shown(see: See, query: str) -> list[str]:
    page = see(f"/audit?q={query}")
    return [words(cell) for cell in page.select("table.audit tbody td:nth-of-type(3)")]


@pytest.mark.parametrize(
    ("query", "actions"),
    [
        ("", ["run.cancel", "token.create", "run.kill"]),
        ("actor:anna", ["run.cancel", "run.kill"]),
        ("action:run.*", ["run.cancel", "run.kill"]),
        ("subject:run", ["run.cancel", "run.kill"]),
        ('subject:"run:0197-a"', ["run.kill"]),
        ("subject:0197-b at:-1h", ["run.cancel"]),
        ("at:<yesterday", []),
        ("action:run.kill,token.create", ["token.create", "run.kill"]),
    ],
)
def test_the_list_is_filtered(see: See, entries: None, query: str, actions: list[str]) -> None:
    assert [one for one in shown(see, query) if not one.startswith("session")] == actions


def test_the_name_of_an_actor_leads_to_all_that_they_did(see: See, entries: None) -> None:
    page = see("/audit?q=action:token.create")
    [link] = [a["href"] for a in page.select("table.audit a") if "bert" in words(a)]
    assert [words(row) for row in see(f"/audit{link}").select("table.audit tbody tr")] != []


@pytest.mark.parametrize("query", ["colour:red", "actor:>b", "actor:a OR actor:b", "-actor:a", "at:soon"])
def test_a_filter_that_cannot_be_is_refused_with_a_sentence(see: See, query: str) -> None:
    page = see(f"/audit?q={query}", status=400)
    assert len(words(page.select_one("#audit-problem"))) > 20


def test_the_badge_says_that_all_is_well_until_something_is_not(see: See, entries: None) -> None:
    assert "are what was written" in words(see("/audit/verify", target="audit-verdict"))
    Entry.objects.bulk_create(
        [Entry(chain_id=Team.objects.get(slug="elsewhere").pk, seq=9, seal=b"x", actor="x")]
    )
    assert "are what was written" in words(see("/audit/verify")), "that is another team's"
    team_id = Entry.objects.filter(actor="anna").first().chain_id  # type: ignore[union-attr]  # there is one
    seq = Entry.objects.filter(chain_id=team_id, seq__isnull=False).count() + 1
    Entry.objects.bulk_create([Entry(chain_id=team_id, seq=seq, seal=b"x", actor="put in")])
    seal_entries()


def test_the_export_holds_what_the_filter_finds(ada: Client, entries: None) -> None:
    answer = ada.get("/audit/export?q=actor:anna")
    lines = [json.loads(line) for line in b"".join(answer).decode().splitlines()]
    assert [line["subject"] for line in lines] == ["run:0197-b", "run:0197-a"]
    assert all(line["seal"] for line in lines)
    assert ada.get("/audit/export?q=colour:red").status_code == 400


@pytest.mark.parametrize("role", [Role.VIEWER, Role.OPERATOR, Role.REVIEWER])
def test_only_admins_read_it(browser_of: Callable[[Role], Client], role: Role) -> None:
    browser = browser_of(role)
    for address in ("/audit", "/audit/verify", "/audit/export"):
        assert browser.get(address).status_code == 403
    assert b'href="/audit"' not in browser.get("/runs").content


def test_the_api_tells_the_same(ada: Client, entries: None) -> None:
    body: Any = ada.get("/api/v1/audit?q=action:run.kill").json()
    assert [item["actor"] for item in body["items"]] == ["anna"]
    verdict: Any = ada.get("/api/v1/audit/verify").json()
    assert (verdict["clean"], verdict["failures"]) == (True, [])
    assert ada.get("/api/v1/audit?q=colour:red").json()["code"] == "bad_query"
