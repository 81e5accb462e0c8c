"""Models on Vertex, against a server that gives tokens to service accounts and speaks its wire."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from agentops.common.errors import InvalidInputError
from runs.engine.providers import ProviderKind
from runs.llm.prices import cost_microusd
from runs.llm.request import Usage
from runs.models import Attempt, Provider, Run
from runs.services.check_provider import check_provider
from runs.services.create_provider import create_provider
from tests.definitions import calling, script
from tests.personas import World, actor
from tests.runs import a_run, drive, output
from tests.vertex import PATH, WHO, Google, google

pytestmark = pytest.mark.django_db


@pytest.fixture
def server() -> Iterator[Google]:
    with google() as found:
        yield found


def offer(server: Google, world: World, **more: Any) -> Provider:
    priced = {"name": "rehearsal", "in_microusd_per_mtok": 1_000_000, "out_microusd_per_mtok": 2_000_000}
    given = {"key": server.account(), "base_url": f"{server.root}{PATH}", **more}
    return create_provider(
        actor=actor(world.ada), slug="google", kind="vertex", models=[priced], timeout_seconds=30.0, **given
    )


def ask(world: World) -> Run:
    return drive(a_run("test-one-question", {"question": "Hello?"}, team=world.analytical))


def test_an_agent_calls_its_tools_with_one_token_of_its_account(
    server: Google, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", "/nowhere/somebody-elses.json")
    monkeypatch.setenv("OPENAI_API_KEY", "not-ours")
    offer(server, world)
    task = script({"calls": [calling("talk_double", number=4)]}, {"finish": "8"})
    run = drive(a_run("test-talker", {"task": task}, team=world.analytical))
    assert (run.status, output(run)) == ("succeeded", {"output": "8"}), run.error["message"]
    assert run.cost_microusd > 0
    assert server.asked == ["Bearer ya29.token-1"] * 2
    claims = server.claims
    assert (claims["iss"], claims["aud"], claims["exp"] - claims["iat"]) == (
        WHO,
        f"{server.root}/token",
        3600,
    )
    assert claims["scope"].endswith("/auth/cloud-platform")
    assert claims["grant_type"].endswith(":jwt-bearer")


def test_a_token_that_ends_soon_is_asked_for_anew(server: Google, world: World) -> None:
    server.seconds = 60
    offer(server, world)
    assert [ask(world).status, ask(world).status, server.n_tokens] == ["succeeded", "succeeded", 2]


def test_an_account_that_is_refused_ends_the_run_and_its_key_and_tokens_are_told_nobody(
    server: Google, world: World
) -> None:
    server.refusals = [400]
    offer(server, world)
    run = ask(world)
    assert (run.status, run.error["code"], WHO in run.error["message"]) == ("failed", "model_refused", True)
    Provider.objects.update(base_url=f"{server.root}/elsewhere", version=2)
    run = ask(world)
    assert (run.status, run.error["code"]) == ("failed", "model_refused")
    told = json.dumps(run.error)
    assert "[key] does not open" in told
    assert "ya29" not in told


def test_a_token_server_in_trouble_is_asked_again(server: Google, world: World) -> None:
    offer(server, world)
    server.refusals = [503]
    run = ask(world)
    assert run.status == "succeeded", run.error
    assert Attempt.objects.get(run=run).error_code == "model_unavailable"


def test_the_connection_is_tested_by_asking_for_what_is_not_there(server: Google, world: World) -> None:
    offer(server, world)
    well = check_provider(actor=actor(world.ada), slug="google")
    assert (well.is_well, well.message) == (True, "it answers and takes the key")
    server.refusals = [401]
    Provider.objects.update(version=2)
    ill = check_provider(actor=actor(world.ada), slug="google")
    assert (ill.is_well, WHO in ill.message) == (False, True)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("sk-12345", "JSON key of a service account"),
        ('{"client_email": "a", "token_uri": "https://t"}', "private_key"),
        ('{"client_email": "a", "token_uri": "https://t", "private_key": "none"}', "an RSA key"),
        (
            '{"client_email": 5, "token_uri": "https://t", "private_key": "none"}',
            "must have text as client_email",
        ),
        ("", "is missing"),
    ],
)
def test_what_is_no_service_account_is_refused_with_what_it_lacks(
    server: Google, world: World, given: str, told: str
) -> None:
    with pytest.raises(InvalidInputError, match=told):
        offer(server, world, key=given)


def test_tokens_are_asked_for_over_https(server: Google, world: World) -> None:
    account = json.dumps(json.loads(server.account()) | {"token_uri": "http://tokens.example.org/"})
    with pytest.raises(InvalidInputError, match="https"):
        offer(server, world, key=account)


def test_list_prices_are_googles() -> None:
    usage = Usage(tokens_in=1_000_000)
    known, unknown = (
        cost_microusd(ProviderKind.VERTEX, f"google/{name}", {}, usage)
        for name in ("gemini-2.5-flash", "none")
    )
    assert known
    assert unknown is None
