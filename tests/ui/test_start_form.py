"""The start form: fields from the agent's JSON Schema, errors at the field, one run however often it is sent."""

from collections.abc import Callable
from typing import Any

import pytest
from bs4 import BeautifulSoup
from django.test import Client

from agentops.accounts.models import Team
from agentops.accounts.roles import Role
from runs.checkpoints.codec import decode
from runs.models import AgentVersion, Run
from runs.presenters.schema_form import property_order
from runs.programs import get_program
from tests.ui import builders
from tests.ui.builders import RunBuilder
from tests.ui.conftest import See
from tests.ui.reading import attribute, one, words

pytestmark = pytest.mark.django_db


def send(ada: Client, key: str = "k-1", **fields: Any) -> Any:
    values = {"agent": "site-research", "idempotency_key": key, "in-root": "https://docs.example.org/"}
    return ada.post("/runs/start", values | fields)


def state_of(run: Run) -> Any:
    return decode(run.input_codec, run.input)


def problem(ada: Client, name: str, **fields: Any) -> str:
    """Return the error at a field, after checking that what was typed is still there."""
    response = send(ada, **fields)
    assert response.status_code == 422
    shown = BeautifulSoup(response.content, "html.parser")
    for typed in shown.select("input.input, textarea.input"):
        if typed["name"] in fields and typed["name"] != "title":
            assert (typed.get("value") or typed.get_text().strip()) == fields[typed["name"]].strip()
    field = one(shown, f"#{name}")
    assert field["aria-invalid"] == "true"
    assert f"{name}-error" in field["aria-describedby"]
    return words(one(shown, f"#{name}-error"))


def test_each_kind_of_value_gets_its_control(see: See, version: AgentVersion) -> None:
    form = one(see("/runs/start?agent=site-research"), "form.form")
    assert words(one(form, "label[for=in-root]")) == "Root URL"
    assert words(one(form, "#in-root-hint")) == "Where the crawl begins."
    assert one(form, "#in-root")["placeholder"] == "https://docs.example.org/"
    assert one(form, "#in-root").has_attr("required")
    assert words(one(form, "label[for=in-max_pages]")) == "Pages at most optional"
    assert one(form, "#in-max_pages")["value"] == "100"
    assert one(form, "#in-max_pages")["inputmode"] == "numeric"
    assert one(form, "#in-politeness_seconds")["inputmode"] == "decimal"
    assert words(one(form, "#in-depth option[selected]")) == "normal"
    assert one(form, "#in-topics").name == "textarea"
    assert one(form, "#in-follow_external")["type"] == "checkbox"
    assert one(form, "#in-options").name == "textarea"


def test_fields_come_in_the_order_of_their_author(see: See, team: Team) -> None:
    builders.an_agent(team, "site", builders.CRAWL_SCHEMA, "site-research")
    names = [attribute(field, "name") for field in see("/runs/start?agent=site").select(".form [name^=in-]")]
    author = property_order(get_program("site-research").input_schema)
    known = [name for name in author if f"in-{name}" in names]
    assert [name for name in names if name.removeprefix("in-") in known] == [f"in-{name}" for name in known]


def test_without_the_code_what_is_needed_comes_first(see: See, team: Team) -> None:
    schema = {"type": "object", "properties": {"a": {}, "bb": {}, "z": {"type": "string"}}, "required": ["z"]}
    builders.an_agent(team, "gone", schema, "no-such-program")
    assert see("/runs/start?agent=gone").select(".form [name^=in-]")[0]["name"] == "in-z"


def test_what_was_filled_in_becomes_the_input(ada: Client, version: AgentVersion) -> None:
    more = {
        "in-max_pages": "7",
        "in-politeness_seconds": "0,25",
        "in-depth": '"deep"',
        "in-topics": "a\n\n b \n",
    }
    response = send(
        ada, **more, **{"in-follow_external": "true", "in-options": '{"agent": "x"}', "title": "Mine"}
    )
    run = Run.objects.get()
    assert response.headers["Location"] == f"/runs/{run.id}"
    assert run.title == "Mine"
    assert state_of(run) == {
        "root": "https://docs.example.org/", "max_pages": 7, "politeness_seconds": 0.25, "depth": "deep",
        "topics": ["a", "b"], "follow_external": True, "options": {"agent": "x"},
    }  # fmt: skip


def test_what_was_left_empty_is_left_out(ada: Client, version: AgentVersion) -> None:
    send(ada)
    assert state_of(Run.objects.get()) == {"root": "https://docs.example.org/", "follow_external": False}


@pytest.mark.parametrize(
    ("name", "typed", "told"),
    [
        ("in-root", "", "This is needed."),
        ("in-root", "short", "is shorter than 8 characters"),
        ("in-max_pages", "many", "This must be a whole number."),
        ("in-max_pages", "900", "900 is greater than the maximum of 500"),
        ("in-politeness_seconds", "-1", "is less than the minimum of 0"),
        ("in-politeness_seconds", "nan", "not finite"),
        ("in-options", '{"a": ', "This is not JSON: line 1, column"),
        ("in-options", '{"agent": 5}', "agent: 5 is not of type"),
    ],
)
def test_an_error_stands_at_its_field(
    ada: Client, version: AgentVersion, name: str, typed: str, told: str
) -> None:
    assert told in problem(ada, name, **{name: typed})
    assert not Run.objects.exists()


def test_a_choice_that_is_not_offered_is_refused(ada: Client, version: AgentVersion) -> None:
    response = send(ada, **{"in-depth": '"bottomless"'})
    assert response.status_code == 422
    assert b'id="in-depth-error"' in response.content


def test_sending_the_form_twice_starts_one_run(ada: Client, version: AgentVersion) -> None:
    first, second = send(ada), send(ada)
    assert first.headers["Location"] == second.headers["Location"]
    assert Run.objects.count() == 1


def test_sending_it_again_with_other_values_says_that_it_has_started_already(
    ada: Client, version: AgentVersion
) -> None:
    send(ada)
    shown = BeautifulSoup(send(ada, **{"in-max_pages": "8"}).content, "html.parser")
    assert "has already started a run" in words(one(shown, "[role=alert]"))
    assert one(shown, "[role=alert] a")["href"] == f"/runs/{Run.objects.get().id}"
    assert one(shown, "input[name=idempotency_key]")["value"] != "k-1"


def test_starting_again_is_filled_with_the_input_of_the_run(see: See, version: AgentVersion) -> None:
    run = RunBuilder(version, state={"root": "https://a.example/", "topics": ["x", "y"], "odd": [1]}).save()
    form = one(see(f"/runs/start?agent=site-research&from={run.id}"), "form.form")
    assert one(form, "#in-root")["value"] == "https://a.example/"
    assert one(form, "#in-topics").get_text().strip() == "x\ny"
    assert '"odd"' in one(form, "[name='in-(more)']").get_text()


def test_the_input_of_another_teams_run_is_not_filled_in(see: See, version: AgentVersion) -> None:
    theirs = RunBuilder(builders.an_agent(builders.a_team("other")), state={"root": "secret-root"}).save()
    assert "secret-root" not in str(see(f"/runs/start?agent=site-research&from={theirs.id}"))


def test_a_schema_without_properties_gets_one_box_for_json(ada: Client, team: Team, see: See) -> None:
    builders.an_agent(team, "free", {"type": "object"}, "test-naps")
    assert one(see("/runs/start?agent=free"), "[name='in-(input)']").get_text().strip() == "{}"
    ada.post("/runs/start", {"agent": "free", "idempotency_key": "x", "in-(input)": '{"seconds": 1}'})
    assert state_of(Run.objects.get()) == {"seconds": 1}
    refused = ada.post("/runs/start", {"agent": "free", "idempotency_key": "y", "in-(input)": "[1]"})
    assert b"must be a JSON object" in refused.content


def test_code_that_is_not_installed_is_told_on_the_form(ada: Client, team: Team) -> None:
    builders.an_agent(team, "gone", {"type": "object"}, "no-such-program")
    refused = ada.post("/runs/start", {"agent": "gone", "idempotency_key": "x", "in-(input)": "{}"})
    assert refused.status_code == 422
    assert "is not installed on this server" in refused.content.decode()


def test_a_viewer_can_neither_see_nor_send_the_form(
    browser_of: Callable[[Role], Client], version: AgentVersion
) -> None:
    viewer = browser_of(Role.VIEWER)
    assert viewer.get("/runs/start").status_code == 403
    assert send(viewer).status_code == 403
    assert b"/runs/start" not in viewer.get("/runs").content


def test_an_unknown_agent_is_not_found(ada: Client, version: AgentVersion) -> None:
    assert ada.get("/runs/start?agent=nobody").status_code == 404
