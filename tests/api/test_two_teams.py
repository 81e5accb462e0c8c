"""Nobody sees or moves what belongs to another team, at any address there is.

The addresses come from the URL resolver, so that a new one is tested from the day it exists. An address with a
parameter that nobody has taught this test yet fails it.
"""

import json
from collections.abc import Iterable, Iterator
from http import HTTPStatus
from typing import Any
from urllib.parse import unquote
from zlib import crc32

import pytest
from django.db import connection
from django.test import Client

from runs.services.start_run import start_run
from tests.belongings import Belongings, filled
from tests.personas import World, actor

pytestmark = pytest.mark.django_db

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
REFUSALS = {302, 400, 401, 403, 404, 405, 409, 410, 415, 422}
PARTS = 3
PUBLIC = {
    "/healthz", "/readyz", "/metrics", "/api/v1/openapi.json", "/api/v1/docs", "/theme",
    "/accounts/login/", "/accounts/signup/", "/accounts/logout/", "/accounts/inactive/", "/accounts/confirm-email/",
    "/accounts/password/reset/", "/accounts/password/reset/done/", "/accounts/password/reset/key/done/",
}  # fmt: skip
PUBLIC_BEGINNINGS = ("/sign-in/", "/accounts/password/reset/key/", "/accounts/confirm-email/")


def _ask(client: Client, method: str, address: str, body: dict[str, Any]) -> Any:
    options: dict[str, Any] = {}
    if method in {"POST", "PUT", "PATCH"}:
        is_api = address.startswith("/api/")
        options = {"data": json.dumps(body) if is_api else body}
        options["content_type"] = "application/json" if is_api else "application/x-www-form-urlencoded"
        if not is_api:
            options["data"] = "&".join(f"{key}={value}" for key, value in body.items())
    return client.generic(method, address, **options)


def _text(answer: Any) -> str:
    content = b"".join(answer.streaming_content) if answer.streaming else answer.content
    headers = "\n".join(f"{name}: {value}" for name, value in answer.headers.items())
    return unquote(f"{headers}\n{content.decode(errors='replace')}")


def _bodies(theirs: Belongings) -> list[dict[str, Any]]:
    """Return bodies that name the belongings of the other team."""
    return [
        {},
        {"agent": theirs.agent.slug, "input": {"tool": "test.echo", "args": {}}},
        {"reason": "mischief", "team": theirs.values["team_id"], "next": "/runs"},
    ]


def _part(theirs: Belongings, part: int) -> list[str]:
    """Return a part of the addresses, so that no test takes minutes; what is paused is resumed in the same part."""
    return [at for at in theirs.addresses() if crc32(at.rpartition("/")[0].encode()) % PARTS == part]


def _all_leaks(client_of: Any, theirs: Belongings, addresses: Iterable[str]) -> list[str]:
    """Return a sentence for each answer that tells of the other team."""
    asking = [client_of()]
    return [leak for address in addresses for leak in _leaks(asking, client_of, theirs, address)]


def _leaks(asking: list[Client], client_of: Any, theirs: Belongings, address: str) -> Iterator[str]:
    """Yield a sentence for each answer at `address` that tells of the other team.

    Who was signed out by an answer is signed in again; a method that the address does not know is asked once.
    """
    for method in METHODS:
        for body in _bodies(theirs) if method == "POST" else [{"reason": "mischief"}]:
            answer = _ask(asking[0], method, address, body)
            if answer.cookies:
                asking[0] = client_of()
            echoed = [canary for canary in theirs.canaries if canary in f"{address} {json.dumps(body)}"]
            told = _text(answer)
            shown = [canary for canary in theirs.canaries if canary in told]
            if set(shown) - set(echoed) or (shown and answer.status_code not in REFUSALS):
                yield f"{method} {address} answers {answer.status_code} and shows {shown}"
            if answer.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
                break


def _rows() -> dict[str, list[tuple[Any, ...]]]:
    """Return every row of the kernel's tables and of the tables of accounts that hold rights."""
    tables = [
        name for name in connection.introspection.table_names() if name.startswith(("runs_", "accounts_"))
    ]
    rows = {}
    with connection.cursor() as cursor:
        for table in tables:
            cursor.execute(f'SELECT t::text FROM "{table}" AS t ORDER BY 1')
            rows[table] = cursor.fetchall()
    for volatile in ("accounts_apitoken", "accounts_user"):
        rows.pop(volatile)  # last use and last sign-in are written by asking
    return rows


def _harm(before: dict[str, list[Any]], after: dict[str, list[Any]], theirs: Belongings) -> list[str]:
    """Return rows that were changed or taken away, and new ones that name anything of the other team."""
    gone = [f"- {table} {row}" for table, rows in before.items() for (row,) in set(rows) - set(after[table])]
    new = [f"+ {table} {row}" for table, rows in after.items() for (row,) in set(rows) - set(before[table])]
    return gone + [row for row in new if any(canary in row for canary in theirs.canaries)]


def test_the_canaries_are_there_for_their_own_team(world: World, theirs: Belongings, client_for: Any) -> None:
    """The control: what the other tests look for is what a member does see."""
    ada = client_for(world.ada)
    seen = {
        address
        for address in theirs.addresses()
        if "logout" not in address and theirs.canaries[0] in _text(ada.get(address))
    }
    run = f"/api/v1/runs/{theirs.run.id}"
    expected = {
        "/api/v1/runs",
        run,
        f"{run}/steps/2",
        f"{run}/output",
        f"/api/v1/agents/{theirs.agent.slug}",
        "/runs",
    }
    assert expected <= seen


@pytest.mark.parametrize("part", range(PARTS))
def test_a_member_of_another_team_sees_and_moves_nothing(
    world: World, theirs: Belongings, client_for: Any, part: int
) -> None:
    before = _rows()
    leaks = _all_leaks(lambda: client_for(world.bea), theirs, _part(theirs, part))
    assert leaks == []
    assert _harm(before, _rows(), theirs) == []


@pytest.mark.parametrize("part", range(PARTS))
def test_a_token_of_another_team_sees_and_moves_nothing(
    world: World, theirs: Belongings, api: Any, part: int
) -> None:
    client = api(world.bea, world.brook)
    before = _rows()
    leaks = _all_leaks(lambda: client, theirs, _part(theirs, part))
    assert leaks == []
    assert _harm(before, _rows(), theirs) == []


@pytest.mark.parametrize("part", range(PARTS))
def test_a_visitor_sees_and_moves_nothing(theirs: Belongings, part: int) -> None:
    before = _rows()
    leaks = _all_leaks(Client, theirs, _part(theirs, part))
    assert leaks == []
    assert _harm(before, _rows(), theirs) == []


def test_a_visitor_is_let_in_at_public_addresses_only(theirs: Belongings) -> None:
    opened = [at for at in theirs.addresses() if Client().get(at).status_code < 300]
    assert [at for at in opened if at not in PUBLIC and not at.startswith(PUBLIC_BEGINNINGS)] == []


def test_queries_that_name_another_team_find_nothing(world: World, theirs: Belongings, api: Any) -> None:
    client = api(world.bea, world.brook)
    own, _ = start_run(actor=actor(world.bea), agent="test-steps", input={"n": 1})
    mark = theirs.canaries[0]
    for query in (
        f"q=run-{mark}",
        f"q={theirs.run.id}",
        f"agent={theirs.agent.slug}",
        f"q=agent:{theirs.agent.slug}",
    ):
        assert client.get(f"/api/v1/runs?{query}").json()["items"] == []
    answer = client.get(f"/api/v1/runs/{own.id}/diff?a=0&b={theirs.run.id}:0")
    assert answer.status_code == 404
    assert mark not in _text(answer)


def test_a_person_in_two_teams_sees_only_the_one_they_chose(
    world: World, theirs: Belongings, client_for: Any
) -> None:
    client, run = client_for(world.cyd), f"/api/v1/runs/{theirs.run.id}"
    assert client.get(run).status_code == 200
    client.post("/team", {"team": str(world.brook.id)})
    assert client.get(run).status_code == 404
    client.post("/team", {"team": str(world.analytical.id)})
    assert client.get(run).status_code == 200


def test_an_address_with_an_unknown_parameter_fails_this_test() -> None:
    with pytest.raises(AssertionError, match="teach it what team"):
        filled("runs/%(novelty)s", ["novelty"], {})
