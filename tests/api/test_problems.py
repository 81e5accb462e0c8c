"""Every mistake is answered with RFC 9457 problem details."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test import Client, RequestFactory

from agentops.common.errors import AgentOpsError
from agentops.edge import EdgeMiddleware
from tests.personas import World

pytestmark = pytest.mark.django_db


@pytest.fixture
def ada(world: World, api: Any) -> Client:
    client: Client = api(world.ada, world.analytical)
    return client


def problem(answer: Any, status: int, code: str) -> dict[str, Any]:
    assert answer["Content-Type"] == "application/problem+json"
    found: dict[str, Any] = answer.json()
    assert (answer.status_code, found["status"], found["code"]) == (status, status, code)
    assert found["type"] == f"urn:agentops:problem:{code}"
    assert found["title"]
    assert found["detail"]
    return found


@pytest.mark.parametrize(
    "path", ["/api/", "/api/v1/", "/api/v1/nothing", "/api/v2/runs", "/api/v1/runs/not-an-id"]
)
def test_an_address_where_nothing_is(ada: Client, path: str) -> None:
    problem(ada.get(path), 404, "not_found")


def test_a_method_that_is_not_taken_names_those_that_are(ada: Client) -> None:
    answer = ada.delete("/api/v1/runs")
    problem(answer, 405, "method_not_allowed")
    assert set(answer["Allow"].split(", ")) >= {"GET", "POST"}


def test_nothing_of_a_team_is_kept_by_caches_in_between(ada: Client) -> None:
    for path in ("/api/v1/runs", "/api/v1/nothing"):
        answer = ada.get(path)
        assert answer["Cache-Control"] == "private, no-cache"
        assert {"Authorization", "Cookie"} <= set(answer["Vary"].split(", "))


def test_a_nul_in_the_address(ada: Client) -> None:
    problem(ada.get("/api/v1/agents/a%00b"), 400, "bad_request")
    problem(ada.get("/api/v1/runs?agent=a%00b"), 400, "bad_request")
    assert ada.get("/runs?q=%00").status_code == 400


@pytest.mark.parametrize("seq", ["9223372036854775808", "99999999999999999999999", "0"])
def test_numbers_beyond_what_the_database_holds_name_nothing(ada: Client, seq: str) -> None:
    unknown = "01a1fd3f-d326-7bc7-827c-2b5b7fdec306"
    for path in (f"steps/{seq}", f"checkpoints/{seq}", f"steps?after={seq}", f"diff?a={seq}&b=1"):
        assert ada.get(f"/api/v1/runs/{unknown}/{path}").status_code in {404, 422}


def test_a_body_without_a_declared_length_is_read_no_further_than_the_limit() -> None:
    edge = EdgeMiddleware(lambda _: pytest.fail("no view may see it"))
    request = RequestFactory().post("/api/v1/runs", b"x" * (3 << 20), content_type="application/json")
    del request.META["CONTENT_LENGTH"]
    request._stream = request.META["wsgi.input"]
    assert edge(request).status_code == 413


def test_every_code_is_documented() -> None:
    import agentops.api  # noqa: F401 -- defines the errors of the edge

    text = (Path(__file__).parents[2] / "docs/reference/errors.md").read_text(encoding="utf-8")
    undocumented = {error.code for error in _all_errors(AgentOpsError) if f"`{error.code}`" not in text}
    assert undocumented == set()


def _all_errors(kind: type[AgentOpsError]) -> Iterator[type[AgentOpsError]]:
    yield kind
    for child in kind.__subclasses__():
        yield from _all_errors(child)


@pytest.mark.django_db(transaction=True)
def test_a_database_that_is_gone_is_503_and_says_when_to_come_back(world: World, api: Any) -> None:
    client = api(world.ada, world.analytical)
    settings, port = connection.settings_dict, connection.settings_dict["PORT"]
    connection.close()
    settings["PORT"] = "1"
    try:
        answer = client.get("/api/v1/runs")
        ready = client.get("/readyz")
        alive = client.get("/healthz")
    finally:
        connection.close()
        settings["PORT"] = port
    problem(answer, 503, "unavailable")
    assert answer["Retry-After"] == "2"
    assert (ready.status_code, ready.json()["late"]) == (503, ["the database does not answer"])
    assert alive.status_code == 200
