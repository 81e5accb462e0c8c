"""No websocket tells a team about another one's runs."""

from typing import Any

import pytest
from django.test import Client
from django.utils.regex_helper import normalize

from runs import broadcasts
from tests.belongings import Belongings, filled
from tests.personas import World
from tests.sockets import Socket, in_own_thread, socket_routes

pytestmark = pytest.mark.django_db(transaction=True)


def addresses(theirs: Belongings) -> list[str]:
    shapes = [normalize(pattern.removesuffix(r"\Z").removesuffix("$"))[0] for pattern in socket_routes()]
    return [filled(shape, names, theirs.values) for shape, names in shapes]


def frames(theirs: Belongings) -> list[Any]:
    """Return what a curious client might send; a frame of a new kind of socket belongs here."""
    run = theirs.run
    topics = [
        "runs",
        f"run:{run.id}",
        f"run:{run.id.hex}",
        f"team:{run.team_id}",
        broadcasts.run_group(run.id),
    ]
    return [{"subscribe": topic} for topic in topics]


async def heard(address: str, client: Client, frame: Any, theirs: Belongings) -> list[str]:
    """Return what a client hears that asks with `frame` while a run of theirs changes."""
    socket = Socket(address, client)
    await socket.open()
    if socket.is_open:
        await socket.send(frame)
    texts = await socket.received(within_seconds=0.1)
    broadcasts.hint(theirs.run.team_id, theirs.run.id)
    texts += await socket.received(within_seconds=0.5) if socket.is_open else []
    if socket.is_open:
        await socket.close()
    return texts


@in_own_thread
async def leaks(client: Client, theirs: Belongings) -> list[str]:
    """Return a sentence for each socket that tells the client of their runs."""
    found = []
    for address in addresses(theirs):
        for frame in frames(theirs):
            texts = await heard(address, client, frame, theirs)
            found += [
                f"{address} {frame} → {text}"
                for text in texts
                if "version" in text or theirs.canaries[0] in text
            ]
    return found


def test_a_member_hears_of_their_own_runs(world: World, theirs: Belongings, client_for: Any) -> None:
    """The control: what the others must not hear is there to be heard."""
    assert len(leaks(client_for(world.ada), theirs)) >= 2


def test_another_team_hears_nothing(world: World, theirs: Belongings, client_for: Any) -> None:
    assert leaks(client_for(world.bea), theirs) == []


def test_a_visitor_hears_nothing(theirs: Belongings) -> None:
    assert leaks(Client(), theirs) == []


def test_another_site_cannot_open_a_socket_with_a_members_cookie(
    world: World, theirs: Belongings, client_for: Any
) -> None:
    @in_own_thread
    async def is_open(client: Client, address: str) -> bool:
        socket = Socket(address, client, origin="https://evil.example")
        await socket.open()
        return socket.is_open

    assert not any(is_open(client_for(world.ada), address) for address in addresses(theirs))
