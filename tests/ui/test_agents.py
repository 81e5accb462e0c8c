"""The pages of agents without code: form and JSON as two editors of one document, versions, and carrying over."""

import json
from typing import Any

import pytest
from bs4 import BeautifulSoup
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from agentops.accounts.models import Team
from agentops.accounts.roles import Role
from runs.engine.agent_definition import PROPERTIES
from runs.models import AgentVersion
from runs.presenters.agent_form import LABELS, PARTS
from tests.ui.conftest import See
from tests.ui.reading import attribute, one, words

pytestmark = pytest.mark.django_db
EVIL = "<script>x</script>"
FILLED = {"slug": "helper", "side": "form", "in-instructions": "You help.", "in-tools": ["http.get", "http.post"], "in-approve": ["http.post"], "in-can_ask": "true", "in-max_turns": "9"}  # fmt: skip


def read(response: Any) -> BeautifulSoup:
    return BeautifulSoup(response.content, "html.parser")


def newest(slug: str = "helper") -> AgentVersion:
    return AgentVersion.objects.filter(agent__slug=slug).order_by("-number")[0]


def test_every_member_of_a_definition_stands_in_the_form() -> None:
    parts: dict[str, Any] = dict(PROPERTIES)
    groups = {name: part["properties"] for name, part in parts.items() if "default" not in part}
    flat = {f"{name}.{key}" for name, members in groups.items() for key in members}
    shown = [name for _title, _is_folded, names in PARTS for name in names]
    assert len(shown) == len(set(shown))
    assert set(shown) == set(LABELS) == flat | (set(parts) - set(groups))


def test_the_form_makes_an_agent_and_says_again_what_it_was_told(see: See, ada: Client) -> None:
    assert "An agent" not in words(see("/agents/new").title)
    made = ada.post("/agents/new", FILLED | {"in-instructions": "You help.\r\nAlways."})
    assert (made.status_code, made["Location"]) == (302, "/agents/helper/versions")
    told = newest().definition
    assert told is not None
    assert (told["tools"], told["approve"], told["max_turns"]) == (
        ["http.get", "http.post"],
        ["http.post"],
        9,
    )
    assert told["instructions"] == "You help.\nAlways."
    assert (told["models"], told["session"]["tool_calls"], told["temperature"]) == ([""], None, None)
    page = see("/agents/helper/edit")
    chosen = [box["value"] for box in page.select("input[name=in-tools]") if box.has_attr("checked")]
    assert chosen == ["http.get", "http.post"]
    assert json.loads(words(one(page, "#json"))) == told
    versions = words(see("/agents/helper/versions"))
    assert "the team has no provider of models" in versions
    assert "Draft" in versions


def test_what_does_not_fit_stands_at_its_field_and_beside_the_json(ada: Client) -> None:
    refused = ada.post(
        "/agents/new", FILLED | {"in-max_turns": "0", "in-agents": "Not one", "in-recovery": "{"}
    )
    assert refused.status_code == 422
    page = read(refused)
    assert "This is not JSON" in words(one(page, "#slot-in-recovery"))
    again = read(ada.post("/agents/new", FILLED | {"in-max_turns": "0", "in-title": EVIL}))
    assert "minimum" in words(one(again, "#slot-in-max_turns"))
    assert "/max_turns" in words(one(again, "#checked"))
    assert attribute(one(again, "#in-title"), "value") == EVIL
    taken = ada.post("/agents/new", FILLED)
    assert taken.status_code == 302
    assert "the team has an agent 'helper'" in words(one(read(ada.post("/agents/new", FILLED)), "#told"))
    assert not AgentVersion.objects.filter(agent__slug="other").exists()


@pytest.mark.parametrize("given", ["", "{", "[]", '"x"', "[" * 20_000, '{"tools": 5, "session": [], "models": {"a": 1}}', '{"instructions": null}'])  # fmt: skip
def test_any_text_may_stand_on_the_side_of_the_json(ada: Client, given: str) -> None:
    answer = ada.post("/agents/new", {"slug": "helper", "side": "json", "json": given})
    assert answer.status_code == 422
    assert one(read(answer), "#told")
    checked = ada.post("/agents/check", {"side": "json", "json": given})
    assert checked.status_code == 200
    assert "It is a definition." not in words(read(checked))


def test_each_side_shows_what_the_other_says(ada: Client) -> None:
    shown = read(ada.post("/agents/check", FILLED))
    assert json.loads(words(one(shown, "#json")))["max_turns"] == 9
    assert "It is a definition." in words(shown)
    document = {"instructions": "You help.", "tools": ["files.read", "gone"], "session": {"tokens": 5000}}
    shown = read(ada.post("/agents/check", {"side": "json", "json": json.dumps(document)}))
    assert attribute(one(shown, "[name='in-session.tokens']"), "value") == "5000"
    assert "there is no tool 'gone'" in words(one(shown, "#slot-in-tools"))
    assert "not installed" in words(shown)


BUDGET = {
    "in-budgets.0.scope": '"each_run"',
    "in-budgets.0.period": '"forever"',
    "in-budgets.0.unit": '"tokens"',
}
SCHEDULE = {
    "in-schedules.1.title": "mornings",
    "in-schedules.1.cron": "0 7 * * *",
    "in-schedules.1.time_zone": "UTC",
    "in-schedules.1.input": '{"task": "Look."}',
}


def test_rows_of_the_form_are_members_of_the_definition_and_blank_ones_are_not(see: See, ada: Client) -> None:
    blank = {"in-schedules.0.title": "", "in-schedules.0.time_zone": "UTC", "in-triggers.0.event_name": " "}
    typed = FILLED | blank | BUDGET | SCHEDULE | {"in-budgets.0.hard": "5000"}
    page = read(ada.post("/agents/new", typed | {"side": "rows", "in-title": EVIL}))
    assert (page.select("#told"), attribute(one(page, "#in-title"), "value")) == ([], EVIL)
    assert len(page.select("[name$='.cron']")) == 3
    refused = read(
        ada.post("/agents/new", typed | {"in-schedules.1.cron": "at noon", "in-budgets.0.soft": "5000"})
    )
    assert "five fields" in words(one(refused, "[id='slot-in-schedules.1.cron']"))
    assert "below the hard limit" in words(one(refused, "[id='slot-in-budgets.0.soft']"))
    assert "/schedules/0/cron" in words(one(refused, "#checked"))
    missing = read(ada.post("/agents/new", typed | {"in-schedules.1.title": ""}))
    assert "This is needed." in words(one(missing, "[id='slot-in-schedules.1.title']"))

    assert ada.post("/agents/new", typed).status_code == 302
    told: Any = newest().definition
    assert [(it["title"], it["input"], it["missed"]) for it in told["schedules"]] == [
        ("mornings", {"task": "Look."}, "once")
    ]
    assert told["budgets"] == [
        {"scope": "each_run", "period": "forever", "unit": "tokens", "soft": None, "hard": 5000}
    ]
    assert (told["triggers"], told["approval_rules"]) == ([], [])
    again = see("/agents/helper/edit")
    assert attribute(one(again, "[name='in-schedules.0.cron']"), "value") == "0 7 * * *"
    ada.post("/agents/helper/edit", typed | {"based_on": "1", "drop-schedules.1": "1"})
    changed: Any = newest().definition
    assert (changed["schedules"], len(changed["budgets"])) == ([], 1)
    assert "schedules" in [
        words(it) for it in see("/agents/helper/versions?a=1&b=2").select(".difference code")
    ]


def test_money_of_a_budget_is_in_dollars_in_the_form_and_in_millionths_in_the_definition(ada: Client) -> None:
    money = BUDGET | {"in-budgets.0.unit": '"cost_microusd"'}
    shown = read(
        ada.post("/agents/check", FILLED | money | {"in-budgets.0.soft": "0.5", "in-budgets.0.hard": "12"})
    )
    document = json.loads(words(one(shown, "#json")))
    assert [document["budgets"][0][part] for part in ("soft", "hard")] == [500_000, 12_000_000]
    back = read(ada.post("/agents/check", {"side": "json", "json": json.dumps(document)}))
    assert [attribute(one(back, f"[name='in-budgets.0.{part}']"), "value") for part in ("soft", "hard")] == [
        "0.5",
        "12",
    ]
    for refused in ("1e300", "nan", "-3"):
        told = read(ada.post("/agents/check", FILLED | money | {"in-budgets.0.hard": refused}))
        assert "It is a definition." not in words(told), refused
    half = read(ada.post("/agents/check", FILLED | BUDGET | {"in-budgets.0.hard": "5.5"}))
    assert "integer" in words(one(half, "[id='slot-in-budgets.0.hard']"))


@pytest.mark.parametrize(
    "rows", [[5], [[]], ["x"], [{}], [{"cron": {"a": 1}, "tags": 5, "priority": "high"}] * 30, {"0": 1}, 7]
)
def test_any_rows_may_stand_on_the_side_of_the_json(ada: Client, rows: Any) -> None:
    document = {"instructions": "x", "schedules": rows, "budgets": rows}
    checked = ada.post("/agents/check", {"side": "json", "json": json.dumps(document)})
    assert (checked.status_code, "It is a definition." in words(read(checked))) == (200, False)


def test_a_version_saved_meanwhile_is_not_overwritten(ada: Client) -> None:
    ada.post("/agents/new", FILLED)
    change = FILLED | {"based_on": "1", "in-instructions": "Second.", "note": "shorter"}
    assert ada.post("/agents/helper/edit", change).status_code == 302
    stale = ada.post("/agents/helper/edit", change | {"in-instructions": "Third."})
    assert stale.status_code == 422
    assert "somebody else has saved version 2 meanwhile" in words(one(read(stale), "#told"))
    assert newest().number == 2
    same = ada.post("/agents/helper/edit", change | {"based_on": "2"}, follow=True)
    assert "Nothing has changed" in words(read(same))


def test_versions_are_published_compared_and_rolled_back(see: See, ada: Client) -> None:
    ada.post("/agents/new", FILLED)
    ada.post("/agents/helper/edit", FILLED | {"based_on": "1", "in-instructions": f"You help. {EVIL}", "in-tools": ["http.get"]})  # fmt: skip
    for number in (1, 2):
        ada.post(f"/agents/helper/versions/{number}/publish")
    page = see("/agents/helper/versions?a=1&b=2")
    assert [words(it) for it in page.select(".difference code")] == ["instructions", "tools", "approve"]
    assert EVIL in words(page.select(".difference")[0])
    answer = ada.post("/agents/helper/versions/1/rollback", follow=True)
    assert "Runs start from version 1 again" in words(read(answer))
    assert [words(it) for it in read(answer).select(".versions .chip")] == ["Withdrawn", "Live"]
    refused = ada.post("/agents/helper/versions/1/rollback", follow=True)
    assert "roll back to an earlier one" in words(read(refused))
    assert see("/agents/helper/versions?a=1&b=99", status=404)
    card = words(one(see("/agents"), "#agent-helper"))
    assert ("v1" in card, "made here" in card) == (True, True)


def test_a_draft_is_tried_from_the_form_that_starts_runs(see: See, ada: Client) -> None:
    ada.post("/agents/new", FILLED)
    form = see("/runs/start?agent=helper&version=1")
    assert "not published" in words(one(form, "form.form"))
    sent = {"agent": "helper", "version": "1", "idempotency_key": "k", "in-task": "Try."}
    assert ada.post("/runs/start", sent).status_code == 302
    assert ada.post("/runs/start", {**sent, "version": ""}).status_code == 404


def test_a_file_carries_an_agent_over(ada: Client) -> None:
    ada.post("/agents/new", FILLED)
    told = ada.get("/agents/helper/export?version=1")
    assert told["Content-Disposition"] == 'attachment; filename="helper-v1.agent.json"'
    file = SimpleUploadedFile("helper.json", told.content)
    assert ada.post("/agents/import", {"file": file, "slug": "copy"})["Location"] == "/agents/copy/versions"
    assert newest("copy").definition == newest().definition
    for content in (
        b"",
        b"\xff\xfe",
        b"{",
        b"[" * 20_000,
        b'{"format": "x"}',
        b'{"format": "agentops.agent/1", "slug": 5}',
    ):
        bad = ada.post("/agents/import", {"file": SimpleUploadedFile("x.json", content)})
        assert (bad.status_code, bool(one(read(bad), "#told"))) == (422, True)


def test_who_is_no_admin_looks_and_changes_nothing(ada: Client, browser_of: Any, team: Team) -> None:
    ada.post("/agents/new", FILLED)
    viewer = browser_of(Role.VIEWER)
    page = read(viewer.get("/agents/helper/versions"))
    assert page.select("form[action*=publish]") == []
    assert viewer.get("/agents/helper/edit").status_code == 403
    for path in (
        "/agents/new",
        "/agents/check",
        "/agents/helper/edit",
        "/agents/helper/versions/1/publish",
        "/agents/import",
    ):
        assert viewer.post(path, FILLED).status_code == 403
    assert "Edit" not in words(one(read(viewer.get("/agents")), "#agent-helper"))
