"""Policies of escalation and business calendars over the API."""

from typing import Any

import pytest
from django.test import Client

from tests.personas import World, token

pytestmark = pytest.mark.django_db
POLICIES, CALENDARS = "/api/v1/policies/escalations", "/api/v1/policies/calendars"
WEEK: list[list[list[str]]] = [[["09:00", "17:00"]]] * 5 + [[], []]
OFFICE = {"name": "Office", "data": {"time_zone": "Europe/Berlin", "week": WEEK, "holidays": ["2026-12-25"]}}
TERMS = {"decision_seconds": 3600, "reminders": [50], "levels": [{"after_seconds": 7200, "targets": ["admins"]}], "end_seconds": 86400}  # fmt: skip


@pytest.fixture
def admin(world: World) -> Client:
    return Client(headers={"authorization": f"Bearer {token(world.ada, world.analytical)}"})


def sent(client: Client, verb: str, path: str, body: Any) -> Any:
    return getattr(client, verb)(path, body, content_type="application/json")


def test_a_calendar_is_tried_made_changed_and_removed(admin: Client) -> None:
    openings = sent(admin, "post", f"{CALENDARS}/preview", OFFICE).json()["openings"]
    assert len(openings) == 5
    made = sent(admin, "post", CALENDARS, OFFICE)
    assert made.status_code == 201, made.json()
    one = f"{CALENDARS}/{made.json()['id']}"
    assert sent(admin, "patch", one, {"version": 1, "name": "Desk"}).json()["version"] == 2
    assert sent(admin, "patch", one, {"version": 1, "name": "Late"}).status_code == 409
    assert admin.get(one).json()["name"] == "Desk"
    assert [row["name"] for row in admin.get(CALENDARS).json()["items"]] == ["Desk"]
    assert admin.delete(one).status_code == 204


def test_a_policy_is_tried_made_changed_and_removed(admin: Client) -> None:
    calendar = sent(admin, "post", CALENDARS, OFFICE).json()
    body = {"name": "Payments", "data": TERMS, "calendar_id": calendar["id"], "actions": ["pay.*"]}
    told = sent(admin, "post", f"{POLICIES}/preview", body).json()
    assert [(mark["kind"], mark["at_seconds"]) for mark in told["marks"]] == [
        ("remind", 1800), ("decision", 3600), ("level", 7200), ("end", 86400),
    ]  # fmt: skip
    assert admin.get(POLICIES).json()["items"] == []
    made = sent(admin, "post", POLICIES, body)
    assert made.status_code == 201, made.json()
    one = f"{POLICIES}/{made.json()['id']}"
    changed = sent(admin, "patch", one, {"version": 1, "calendar_id": None, "is_on": False}).json()
    assert (changed["calendar_id"], changed["is_on"], changed["actions"]) == (None, False, ["pay.*"])
    assert sent(admin, "patch", one, {"version": 1, "position": 5}).status_code == 409
    assert admin.delete(one).status_code == 204
    assert admin.get(one).status_code == 404


def test_a_calendar_that_a_policy_goes_by_stays(admin: Client) -> None:
    calendar = sent(admin, "post", CALENDARS, OFFICE).json()
    sent(admin, "post", POLICIES, {"name": "P", "data": TERMS, "calendar_id": calendar["id"]})
    assert admin.delete(f"{CALENDARS}/{calendar['id']}").status_code == 409


@pytest.mark.parametrize(
    ("path", "body", "pointer"),
    [
        (CALENDARS, OFFICE | {"data": {"time_zone": "Mars", "week": WEEK}}, "/data"),
        (f"{CALENDARS}/preview", OFFICE | {"data": {"time_zone": "UTC", "week": [[]] * 7}}, "/data"),
        (POLICIES, {"name": "", "data": TERMS}, "/name"),
        (POLICIES, {"name": "x", "data": TERMS | {"end": "approve"}}, "/data"),
        (POLICIES, {"name": "x", "data": TERMS, "position": 10_001}, "/position"),
        (POLICIES, {"name": "x", "data": TERMS, "calendar_id": "00000000-0000-7000-8000-000000000000"}, "/calendar_id"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_by_pointer(admin: Client, path: str, body: Any, pointer: str) -> None:
    answer = sent(admin, "post", path, body)
    assert answer.status_code == 422
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]


def test_only_an_admin_makes_them_and_another_team_sees_none(admin: Client, world: World) -> None:
    made = sent(admin, "post", POLICIES, {"name": "P", "data": TERMS}).json()
    viewer = Client(headers={"authorization": f"Bearer {token(world.cyd, world.analytical)}"})
    assert sent(viewer, "post", POLICIES, {"name": "Q", "data": TERMS}).status_code == 403
    rival = Client(headers={"authorization": f"Bearer {token(world.bea, world.brook)}"})
    assert rival.get(f"{POLICIES}/{made['id']}").status_code == 404
    assert rival.get(POLICIES).json()["items"] == []
