"""How often a model may be asked, over the API."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from runs.models import Agent, Provider, SpendDay
from runs.selectors.budgets import today
from tests.personas import World

pytestmark = pytest.mark.django_db
PATH = "/api/v1/policies/rate-limits"


@pytest.fixture
def ada(world: World, api: Callable[..., Client]) -> Client:
    Provider.objects.create(
        team=world.analytical, slug="own", kind="compatible", base_url="http://127.0.0.1:9/v1",
        catalog=[{"name": "org/one", "tpm": 5000}, {"name": "two", "context_tokens": 8000}],
    )  # fmt: skip
    return api(world.ada, world.analytical)


def send(client: Client, verb: str, address: str, body: dict[str, Any], **more: Any) -> Any:
    return getattr(client, verb)(address, body, content_type="application/json", **more)


def said() -> list[dict[str, Any]]:
    return list(Provider.objects.get(slug="own").catalog)


def test_limits_are_listed_set_changed_and_taken_off_and_nothing_else_of_the_model_changes(
    ada: Client,
) -> None:
    listed = ada.get(PATH).json()["items"]
    assert [(one["model"], one["requests_per_minute"], one["tokens_per_minute"]) for one in listed] == [
        ("org/one", None, 5000), ("two", None, None),
    ]  # fmt: skip
    made = send(ada, "post", PATH, {"provider": "own", "model": "two", "requests_per_minute": 60})
    assert (made.status_code, made["Location"]) == (201, f"{PATH}/own/two")
    changed = send(
        ada, "patch", f"{PATH}/own/org/one", {"tokens_per_minute": None}, headers={"If-Match": made["ETag"]}
    )
    assert changed.json()["tokens_per_minute"] is None
    assert said() == [
        {"name": "org/one", "tpm": 0},
        {"name": "two", "context_tokens": 8000, "rpm": 60, "tpm": 0},
    ]
    assert ada.get(f"{PATH}/own/two").json() == made.json() | {"version": changed.json()["version"]}


def test_what_does_not_fit_is_refused_with_what_to_do(ada: Client) -> None:
    stale = send(ada, "patch", f"{PATH}/own/two", {"requests_per_minute": 6}, headers={"If-Match": '"7"'})
    assert stale.status_code == 412
    taken = send(ada, "post", PATH, {"provider": "own", "model": "org/one", "requests_per_minute": 6})
    assert (taken.status_code, "PATCH" in taken.json()["detail"]) == (409, True)
    none = send(ada, "patch", f"{PATH}/own/two", {"requests_per_minute": 0})
    assert (none.status_code, none.json()["errors"][0]["pointer"]) == (422, "/requests_per_minute")
    for address in (f"{PATH}/own/three", f"{PATH}/nowhere/one"):
        assert send(ada, "patch", address, {"requests_per_minute": 6}).status_code == 404
    assert said()[0] == {"name": "org/one", "tpm": 5000}


def test_a_preview_tells_whom_it_would_hold_up(ada: Client, world: World) -> None:
    agent = Agent.objects.filter(team=world.analytical).order_by("slug")[0]
    SpendDay.objects.create(
        team_id=world.analytical.pk, day=today(), agent_id=agent.pk, model="own/org/one", n_calls=1200, n_unpriced=0,
        cost_microusd=0, tokens_in=40_000, tokens_out=20_000,
    )  # fmt: skip
    asked = {"provider": "own", "model": "org/one", "requests_per_minute": 10, "tokens_per_minute": 1000}
    told = send(ada, "post", f"{PATH}/preview", asked).json()
    assert (told["agents"], told["requests"], told["tokens"]) == ([agent.slug], 1200, 60_000)
    assert told["busiest_day_minutes"] == 120.0
    assert said()[0] == {"name": "org/one", "tpm": 5000}
