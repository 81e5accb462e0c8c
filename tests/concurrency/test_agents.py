"""Several people save, publish and roll back at once: one wins, nothing is lost in silence."""

import pytest

from agentops.common.errors import ConflictError
from runs.models import AgentVersion
from runs.services.add_version import add_version
from runs.services.create_agent import create_agent
from runs.services.publish_version import publish_version
from runs.services.roll_back import roll_back
from tests.definitions import a_definition, an_agent
from tests.personas import World, actor
from tests.races import at_once

pytestmark = pytest.mark.django_db(transaction=True)
TIMES = 4


def test_of_two_who_save_on_top_of_the_same_version_one_is_told(world: World) -> None:
    an_agent(world)
    names = iter(range(TIMES))

    def save() -> str:
        definition = a_definition(instructions=f"Number {next(names)}.")
        try:
            add_version(actor=actor(world.ada), slug="helper", definition=definition, based_on=1)
        except ConflictError:
            return "told"
        return "saved"

    assert sorted(at_once(save, times=TIMES)) == ["saved"] + ["told"] * (TIMES - 1)
    assert AgentVersion.objects.filter(agent__slug="helper").count() == 2


def test_of_several_who_make_an_agent_of_one_name_one_does(world: World) -> None:
    def make() -> str:
        try:
            create_agent(actor=actor(world.ada), slug="same", definition=a_definition())
        except ConflictError:
            return "told"
        return "made"

    assert sorted(at_once(make, times=TIMES)) == ["made"] + ["told"] * (TIMES - 1)
    assert AgentVersion.objects.filter(agent__slug="same").count() == 1


def test_publishing_and_rolling_back_at_once_leave_one_version_live(world: World) -> None:
    an_agent(world)
    who = actor(world.ada)
    for number in (2, 3):
        add_version(actor=who, slug="helper", definition=a_definition(instructions=f"Number {number}."))
        publish_version(actor=who, slug="helper", number=number)
    moves = iter([(roll_back, 1), (roll_back, 2), (publish_version, 3), (roll_back, 1)])

    def move() -> None:
        service, number = next(moves)
        try:
            service(actor=who, slug="helper", number=number)
        except ConflictError:
            return

    at_once(move, times=TIMES)
    rows = AgentVersion.objects.filter(agent__slug="helper").order_by("number")
    assert all(bool(it.published_at) != bool(it.withdrawn_at) for it in rows)
    assert rows[0].published_at is not None
