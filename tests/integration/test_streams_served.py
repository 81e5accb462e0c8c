"""Many listeners at the product's web server: they cost it neither threads nor connections, and it stays quick."""

import socket
import threading
import time
from contextlib import ExitStack, closing
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from django.conf import settings
from django.db import connection

from runs.journal.fence import query
from runs.models import Run
from runs.services.advance import advance
from runs.services.cancel_run import cancel_run
from runs.services.start_run import start_run
from tests.e2e.server import WebServer
from tests.personas import World, actor, token
from tests.runs import a_worker, claim
from tests.streams import Event, events

pytestmark = pytest.mark.django_db(transaction=True)

N = 100


@pytest.fixture
def secret(world: World) -> str:
    return token(world.ada, world.analytical)


def a_run(world: World, n: int = 3) -> Run:
    return start_run(actor=actor(world.ada), agent="test-steps", input={"n": n})[0]


def listen(server: WebServer, run: Run, secret: str) -> socket.socket:
    """Ask for a stream and leave it be."""
    place = urlsplit(server.url)
    opened = socket.create_connection((place.hostname, place.port), timeout=20)
    request = f"GET /api/v1/runs/{run.pk}/stream HTTP/1.1\r\nHost: {place.netloc}\r\nAuthorization: Bearer {secret}\r\n\r\n"
    opened.sendall(request.encode())
    return opened


def read_until(opened: socket.socket, end: bytes) -> bytes:
    body = b""
    while end not in body:
        piece = opened.recv(65536)
        assert piece, body
        body += piece
    return body


def n_threads(server: WebServer) -> int:
    assert server._process
    status = Path(f"/proc/{server._process.pid}/status").read_text()
    return int(status.partition("Threads:")[2].split()[0])


def n_connections() -> int:
    [(n,)] = query("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()", {})
    return int(n)


def test_a_hundred_listeners_hold_no_threads_and_no_connections_and_hear_the_end(
    world: World, server: WebServer, secret: str
) -> None:
    runs = [a_run(world) for _ in range(N // 2)]
    threads, connections = n_threads(server), n_connections()
    with ExitStack() as stack:
        listeners = [
            stack.enter_context(closing(listen(server, run, secret))) for run in runs for _ in range(2)
        ]
        for one in listeners:
            assert b"event: status" in read_until(one, b'"status":"queued"')
        time.sleep(2.5)
        assert n_threads(server) <= threads + settings.WEB_CONNECTIONS + 8
        assert n_connections() <= connections + N // 4
        for run in runs:
            cancel_run(actor=actor(world.ada), run_id=run.pk)
        for one in listeners:
            read_until(one, b'"status":"cancelled"')


def heard_behind(client: httpx.Client, run: Run, last: str, n_events: int) -> list[Event]:
    """Return what a listener hears that goes away after `n_events`, or at the end."""
    headers, body = {"Last-Event-ID": last} if last else {}, b""
    with client.stream("GET", f"/api/v1/runs/{run.pk}/stream", headers=headers) as answer:
        for piece in answer.iter_raw(700):
            body += piece
            if len(whole(body)) >= n_events:
                break
    return whole(body)[:n_events]


def whole(body: bytes) -> list[Event]:
    """Return the events that came whole."""
    return events(body[: body.rfind(b"\n\n") + 2])


def test_a_broken_line_is_picked_up_where_it_broke(world: World, server: WebServer, secret: str) -> None:
    run, heard = a_run(world, 40), list[Event]()
    thread = threading.Thread(target=advance_later)
    with httpx.Client(
        base_url=server.url, headers={"Authorization": f"Bearer {secret}"}, trust_env=False
    ) as client:
        thread.start()
        while not (heard and heard[-1].data.get("status") == "succeeded" and heard[-1].name == "status"):
            heard += heard_behind(client, run, heard[-1].id if heard else "", 7)
    thread.join()
    assert [event.data["seq"] for event in heard if event.name == "step"] == list(range(1, 41))


def advance_later() -> None:
    time.sleep(1.0)
    advance(claim(a_worker()))
    connection.close()


def test_a_server_that_is_told_to_stop_does_not_wait_for_its_listeners(
    world: World, server: WebServer, secret: str
) -> None:
    with closing(listen(server, a_run(world), secret)) as one:
        read_until(one, b'"status":"queued"')
        time.sleep(0.5)
        assert server._process
        began = time.monotonic()
        server._process.terminate()
        server._process.wait(10)
        assert time.monotonic() - began < 5
        read_until(one, b"0\r\n\r\n")
