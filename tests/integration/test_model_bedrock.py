"""Models on Bedrock, against a server that speaks its wire."""

import json
from typing import Any

import pytest

from agentops.common.errors import InvalidInputError
from runs.llm import bedrock as port
from runs.models import Attempt, Provider, Run
from runs.services.check_provider import check_provider
from runs.services.create_provider import create_provider
from tests.bedrock import USAGE, Bedrock, bedrock
from tests.personas import World, actor
from tests.rehearsal import KEY
from tests.runs import a_run, drive, output

pytestmark = pytest.mark.django_db

MODEL = "eu.anthropic.claude-sonnet-4-5-20250929-v1:0"


def offer(server: Bedrock, world: World) -> Provider:
    priced = {"name": MODEL, "in_microusd_per_mtok": 1_000_000, "out_microusd_per_mtok": 2_000_000}
    return create_provider(
        actor=actor(world.ada), slug="aws", kind="bedrock", base_url=server.url, key=KEY, models=[priced], timeout_seconds=5.0
    )  # fmt: skip


def begin(program: str, world: World, **given: Any) -> Run:
    return a_run(program, given, team=world.analytical)


def test_an_agent_calls_its_tools_over_bedrocks_wire(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "somebody-elses")
    monkeypatch.setenv("AWS_BEARER_TOKEN_BEDROCK", "not-ours")
    with bedrock(("talk_double", {"number": 4}), ("finish", {"output": "8"})) as server:
        offer(server, world)
        run = drive(begin("test-talker", world, task="Double four."))
    assert (run.status, output(run)) == ("succeeded", {"output": "8"}), run.error
    assert (run.tokens_in, run.tokens_out) == (2 * USAGE["inputTokens"], 2 * USAGE["outputTokens"])
    assert run.cost_microusd == 2 * (USAGE["inputTokens"] + 2 * USAGE["outputTokens"])
    (path, authorization, first), (_, _, second) = server.asked
    assert (path, authorization) == (f"/model/{MODEL}/converse-stream", f"Bearer {KEY}")
    assert "talk_double" in [tool["toolSpec"]["name"] for tool in first["toolConfig"]["tools"]]
    assert second["messages"][-1]["content"][0]["toolResult"]["toolUseId"] == "use-talk_double"


def test_throttling_and_trouble_are_met_as_with_any_provider(world: World) -> None:
    with bedrock(429, 500, "Hello you") as server:
        offer(server, world)
        run = drive(begin("test-one-question", world, question="Hello?"))
    assert (run.status, output(run)["text"]) == ("succeeded", "Helloyou")
    assert list(Attempt.objects.filter(run=run).order_by("number").values_list("error_code", flat=True)) == [
        "rate_limited", "model_unavailable",
    ]  # fmt: skip


def test_a_key_that_is_refused_ends_the_run_without_telling_the_key(world: World) -> None:
    with bedrock(403) as server:
        offer(server, world)
        run = drive(begin("test-one-question", world, question="Hello?"))
    assert (run.status, run.error["code"]) == ("failed", "model_refused")
    assert "refused, as asked" in run.error["message"]
    assert KEY not in json.dumps(run.error)


def test_the_connection_is_tested_by_asking_for_what_is_not_there(world: World) -> None:
    with bedrock(400, 403) as server:
        offer(server, world)
        well = check_provider(actor=actor(world.ada), slug="aws")
        assert (well.is_well, well.message) == (True, "it answers and takes the key")
        ill = check_provider(actor=actor(world.ada), slug="aws")
        assert (ill.is_well, KEY in ill.message) == (False, False)
    gone = check_provider(actor=actor(world.ada), slug="aws")
    assert not gone.is_well


def test_without_the_extra_it_is_refused_with_the_name_of_the_extra(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    with bedrock() as server:
        offer(server, world)
        monkeypatch.setattr(port, "find_spec", lambda _: None)
        run = drive(begin("test-one-question", world, question="Hello?"))
        assert (run.status, "agentops-console[bedrock]" in run.error["message"]) == ("failed", True)
        with pytest.raises(InvalidInputError, match="the extra `bedrock`"):
            create_provider(actor=actor(world.ada), slug="other", kind="bedrock", base_url=server.url)
        assert not server.asked
