"""Limits that the code of agents declares: taken over, changed with the code, and overruled by a person."""

from typing import Any

import pytest

from runs.models import Limit
from runs.services.declare_limits import declare_limits
from runs.services.remove_limit import remove_limit
from runs.services.set_limit import set_limit
from tests.agents import Counted
from tests.personas import World, actor

pytestmark = pytest.mark.django_db


def limits(world: World) -> dict[str, tuple[int, bool]]:
    found = Limit.objects.filter(team=world.analytical)
    return {row.name: (row.max_running, row.is_declared) for row in found}


def declare(world: World, monkeypatch: pytest.MonkeyPatch, **members: Any) -> None:
    """Let the code of the agent say something else, and the clock take it over."""
    for name, value in members.items():
        monkeypatch.setattr(Counted, name, value)
    declare_limits(team_id=world.analytical.pk)


def test_the_code_and_the_limits_say_the_same(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    assert limits(world) == {"test-counted": (5, True), "account-*": (1, True)}
    declare(world, monkeypatch, max_running=7)
    assert limits(world)["test-counted"] == (7, True)
    declare(world, monkeypatch, concurrency_key="depot-{depot}")
    assert limits(world) == {"test-counted": (7, True), "depot-*": (1, True)}
    declare(world, monkeypatch, max_running=None, max_running_per_key=None)
    assert limits(world) == {}


def test_what_a_person_has_set_stays_whatever_the_code_says(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada = actor(world.ada)
    set_limit(actor=ada, scope="agent", name="test-counted", max_running=2)
    declare(world, monkeypatch, max_running=9)
    assert limits(world)["test-counted"] == (2, False)
    remove_limit(actor=ada, scope="agent", name="test-counted")
    assert limits(world)["test-counted"] == (9, True)


def test_taking_it_over_again_changes_nothing(world: World) -> None:
    before = list(Limit.objects.order_by("id").values_list("id", "version", "updated_at"))
    declare_limits(team_id=world.analytical.pk)
    declare_limits(team_id=world.brook.pk)
    assert list(Limit.objects.order_by("id").values_list("id", "version", "updated_at")) == before
