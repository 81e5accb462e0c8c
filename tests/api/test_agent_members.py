"""Budgets, approval rules, schedules and triggers in an agent's definition: they hold while the version that says so starts runs."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from tests.definitions import a_definition
from tests.personas import World

pytestmark = pytest.mark.django_db
PATH = "/api/v1/agents"
LISTS = {
    "budgets": "/api/v1/policies/budgets",
    "approval_rules": "/api/v1/policies/approval-rules",
    "schedules": "/api/v1/schedules",
    "triggers": "/api/v1/triggers",
}
BUDGET = {"scope": "agent", "period": "month", "unit": "cost_microusd", "hard": 5_000_000}
RULE = {"name": "large sums", "when": {"args": [{"pointer": "/amount", "op": ">", "value": 100}]}}
SCHEDULE = {
    "title": "mornings",
    "cron": "0 7 * * *",
    "time_zone": "Europe/Berlin",
    "input": {"task": "Look."},
}
TRIGGER = {
    "event_name": "mail.came",
    "match": {"to": "desk"},
    "input_template": {"task": {"$": "/payload/subject"}},
}
WHOLE: dict[str, Any] = {
    "budgets": [BUDGET],
    "approval_rules": [RULE],
    "schedules": [SCHEDULE],
    "triggers": [TRIGGER],
}


@pytest.fixture
def ada(world: World, api: Callable[..., Client]) -> Client:
    return api(world.ada, world.analytical)


def post(client: Client, path: str, body: Any = None) -> Any:
    return client.post(path, body or {}, content_type="application/json")


def save(client: Client, number: int, *, publish: bool = True, **more: Any) -> Any:
    """Save a definition as the version of that number, and publish it."""
    body = {"definition": a_definition(**more)}
    made = post(client, f"{PATH}/helper/versions", body) if number > 1 else post(client, PATH, {"slug": "helper", **body})  # fmt: skip
    assert made.status_code == 201, made.content
    return post(client, f"{PATH}/helper/versions/{number}/publish") if publish else made


def holds(client: Client) -> dict[str, list[Any]]:
    """What holds now, of each kind, that some definition says."""
    return {kind: [it for it in client.get(path).json()["items"] if it["defined_by"]] for kind, path in LISTS.items()}  # fmt: skip


def counts(client: Client) -> list[int]:
    return [len(rows) for rows in holds(client).values()]


def test_what_stands_in_a_definition_holds_from_publishing_to_rolling_back(ada: Client) -> None:
    save(ada, 1, publish=False, **WHOLE)
    assert counts(ada) == [0, 0, 0, 0]
    assert post(ada, f"{PATH}/helper/versions/1/publish").status_code == 200
    first = holds(ada)
    budget, rule, schedule, trigger = (rows[0] for rows in first.values())
    assert (budget["scope"], budget["name"], budget["limits"]) == ("agent", "helper", {"cost_microusd": {"hard": 5_000_000}})  # fmt: skip
    assert (rule["name"], rule["verdict"], rule["when"]["agents"]) == ("helper: large sums", "ask", ["helper"])  # fmt: skip
    assert (schedule["agent"], schedule["time_zone"], schedule["defined_by"]) == ("helper", "Europe/Berlin", "helper")  # fmt: skip
    assert (trigger["agent"], trigger["input_template"]) == ("helper", {"task": {"$": "/payload/subject"}})

    hourly = {**SCHEDULE, "title": "hourly", "cron": "@hourly"}
    dearer = {**BUDGET, "hard": 9_000_000}
    save(ada, 2, budgets=[dearer, {**BUDGET, "unit": "tokens", "soft": 10}], schedules=[SCHEDULE, hourly], triggers=[TRIGGER])  # fmt: skip
    second = holds(ada)
    assert second["budgets"][0]["id"] == budget["id"]
    assert second["budgets"][0]["limits"] == {
        "cost_microusd": {"hard": 9_000_000}, "tokens": {"soft": 10, "hard": 5_000_000},
    }  # fmt: skip
    assert {it["title"]: it["version"] for it in second["schedules"]} == {"hourly": 1, "mornings": 1}
    assert (second["approval_rules"], second["triggers"]) == ([], first["triggers"])

    assert post(ada, f"{PATH}/helper/versions/1/rollback").status_code == 200
    again = holds(ada)
    assert again["schedules"] == first["schedules"]
    assert again["budgets"][0]["limits"] == budget["limits"]
    assert again["approval_rules"][0]["when"] == rule["when"]
    save(ada, 3)
    assert counts(ada) == [0, 0, 0, 0]


def test_what_a_person_made_is_left_alone_and_what_stands_in_a_definition_is_changed_there(ada: Client) -> None:  # fmt: skip
    save(ada, 1, **WHOLE)
    by_hand = post(ada, LISTS["schedules"], {"agent": "helper", **SCHEDULE}).json()["id"]
    mine = holds(ada)
    paths = {kind: f"{LISTS[kind]}/{rows[0]['id']}" for kind, rows in mine.items()}
    told = {}
    for kind, path in paths.items():
        refused = ada.delete(path)
        told[kind] = (refused.status_code, "change it there" in refused.json().get("detail", ""))
    assert told == dict.fromkeys(LISTS, (409, True))
    change = ada.patch(paths["budgets"], {"limits": {"tokens": {"hard": 5}}}, content_type="application/json")
    assert change.status_code == 409
    change = ada.patch(
        paths["approval_rules"], {"verdict": "deny", "version": 1}, content_type="application/json"
    )
    assert change.status_code == 409
    assert ada.patch(paths["schedules"], {"cron": "@daily"}, content_type="application/json").status_code == 409  # fmt: skip
    paused = ada.patch(paths["schedules"], {"paused": True}, content_type="application/json")
    assert (paused.status_code, paused.json()["paused"]) == (200, True)
    save(ada, 2, instructions="Others.", **WHOLE)
    assert holds(ada)["schedules"][0]["paused"]
    save(ada, 3)
    assert [it["id"] for it in ada.get(LISTS["schedules"]).json()["items"]] == [by_hand]


def test_a_budget_that_was_made_by_hand_stops_the_publishing_of_another(ada: Client) -> None:
    save(ada, 1)
    limits = {"tokens": {"hard": 100}}
    by_hand = post(ada, LISTS["budgets"], {"scope": "agent", "name": "helper", "period": "month", "limits": limits})  # fmt: skip
    assert by_hand.status_code == 201, by_hand.content
    refused = save(ada, 2, schedules=[SCHEDULE], budgets=[{**BUDGET, "period": "day"}, BUDGET])
    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (409, "/budgets/1")
    assert counts(ada) == [0, 0, 0, 0]
    draft = ada.get(f"{PATH}/helper/versions/2").json()
    assert (draft["published_at"], [it["pointer"] for it in draft["warnings"]][1:]) == (None, ["/budgets/1"])
    assert ada.delete(f"{LISTS['budgets']}/{by_hand.json()['id']}").status_code == 204
    assert post(ada, f"{PATH}/helper/versions/2/publish").status_code == 200
    assert counts(ada) == [2, 0, 1, 0]


def test_an_agent_is_carried_over_with_its_members(ada: Client, world: World, api: Callable[..., Client]) -> None:  # fmt: skip
    save(ada, 1, **WHOLE)
    file = ada.get(f"{PATH}/helper/export").json()
    assert post(ada, f"{PATH}/import", {**file, "slug": "copy"}).status_code == 201
    assert post(ada, f"{PATH}/copy/versions/1/publish").status_code == 200
    told = holds(ada)
    assert [it["name"] for it in told["approval_rules"]] == ["copy: large sums", "helper: large sums"]
    assert {it["agent"] for it in told["schedules"]} == {"copy", "helper"}
    assert ada.get(f"{PATH}/copy/export").json()["definition"] == file["definition"]


@pytest.mark.parametrize(
    ("more", "place"),
    [
        ({"budgets": [{"unit": "tokens"}]}, "/budgets/0/hard"),
        ({"budgets": [{"unit": "luck", "hard": 1}]}, "/budgets/0/unit"),
        ({"budgets": [{"unit": "tokens", "soft": 5, "hard": 5}]}, "/budgets/0/soft"),
        ({"budgets": [{"unit": "tokens", "hard": 5, "period": "day"}]}, "/budgets/0/period"),
        ({"budgets": [{"unit": "tokens", "hard": 5}] * 2}, "/budgets/1/unit"),
        ({"budgets": [{"unit": "tokens", "hard": True}]}, "/budgets/0/hard"),
        ({"approval_rules": [{**RULE, "verdict": "allow"}]}, "/approval_rules/0/verdict"),
        ({"approval_rules": [{**RULE, "when": {"luck": 1}}]}, "/approval_rules/0/when/luck"),
        ({"approval_rules": [{**RULE, "when": {"agents": ["other"]}}]}, "/approval_rules/0/when/agents"),
        ({"approval_rules": [{**RULE, "stages": [{"queue": "nowhere"}]}]}, "/approval_rules/0/stages/0/queue"),
        ({"approval_rules": [RULE, RULE]}, "/approval_rules/1/name"),
        ({"schedules": [{**SCHEDULE, "cron": "at noon"}]}, "/schedules/0/cron"),
        ({"schedules": [{**SCHEDULE, "time_zone": "Berlin"}]}, "/schedules/0/time_zone"),
        ({"schedules": [{**SCHEDULE, "input": {"task": 5}}]}, "/schedules/0/input/task"),
        ({"schedules": [SCHEDULE, SCHEDULE]}, "/schedules/1/title"),
        ({"schedules": [{"title": "x"}]}, "/schedules/0"),
        ({"schedules": SCHEDULE}, "/schedules"),
        ({"triggers": [{**TRIGGER, "input_template": {"a": {"$": "payload"}}}]}, "/triggers/0/input_template/a/$"),
        ({"triggers": [TRIGGER, TRIGGER]}, "/triggers/1"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_named_by_its_place(ada: Client, more: dict[str, Any], place: str) -> None:
    refused = post(ada, PATH, {"slug": "helper", "definition": a_definition(**more)})
    assert refused.status_code == 422, refused.content
    assert place in [it["pointer"] for it in refused.json()["errors"]]
