"""What requests hold at the product's web server: a thread and a connection, and both only until they are answered."""

import socket
from contextlib import closing
from urllib.parse import urlsplit

import httpx
import pytest

from runs.models import Run
from runs.services.start_run import start_run
from tests.e2e.server import WebServer
from tests.e2e.sessions import session_of
from tests.integration.test_streams_served import n_threads
from tests.personas import World, actor, token
from tests.runs import drive

pytestmark = pytest.mark.django_db(transaction=True)

MORE_THAN_CONNECTIONS = 20


def a_long_run(world: World) -> Run:
    run, _ = start_run(actor=actor(world.ada), agent="test-steps", input={"n": 400})
    return drive(run)


def test_requests_share_threads_that_stay(world: World, server: WebServer) -> None:
    headers = {"Authorization": f"Bearer {token(world.ada, world.analytical)}"}
    with httpx.Client(base_url=server.url, headers=headers, trust_env=False) as client:
        assert client.get("/api/v1/runs").status_code == 200
        before = n_threads(server)
        for _ in range(MORE_THAN_CONNECTIONS):
            assert client.get("/api/v1/runs").status_code == 200
            assert n_threads(server) <= before + 2


def test_downloads_that_nobody_reads_to_the_end_leave_the_server_whole(
    world: World, server: WebServer
) -> None:
    run, cookies = a_long_run(world), {"sessionid": session_of(world.ada)}
    place, path = urlsplit(server.url), f"/runs/{run.pk}/export.jsonl"
    request = (
        f"GET {path} HTTP/1.1\r\nHost: {place.netloc}\r\nCookie: sessionid={cookies['sessionid']}\r\n\r\n"
    )
    for _ in range(MORE_THAN_CONNECTIONS):
        with closing(socket.create_connection((place.hostname, place.port), timeout=20)) as opened:
            opened.sendall(request.encode())
            assert b"200 OK" in opened.recv(64)
    with httpx.Client(base_url=server.url, cookies=cookies, trust_env=False) as client:
        assert len(client.get(path).text.splitlines()) == 401
