"""The web process is killed while programs start runs: each start counts once, and runs go on without it."""

import socket
import time
from concurrent.futures import ThreadPoolExecutor, as_completed

import httpx
import pytest

from runs.models import Run
from tests import ledger, personas
from tests.crash.cluster import Cluster
from tests.crash.form import form
from tests.crash.load import N_RUNS, N_STEPS, assert_all_went_well, n_open

pytestmark = [pytest.mark.crash, pytest.mark.django_db(transaction=True)]

N_KILLS = form(short=2, long=15)
N_CLIENTS = 4


def a_free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Web:
    """A web process at an address of its own that is killed now and then."""

    def __init__(self, cluster: Cluster, token: str) -> None:
        self.cluster, self.port = cluster, a_free_port()
        self.url = f"http://127.0.0.1:{self.port}/api/v1/runs"
        self.token = token
        self.is_over = False
        self.process = cluster.web(self.port)

    def start_run(self, entry: str, *, key: str = "") -> None:
        """Ask for a run until somebody says that there is one, as a program does that must not lose it."""
        body = {"agent": "test-effects", "input": {"run": entry, "n": N_STEPS, "seconds": 0.05}}
        headers = {"Authorization": f"Bearer {self.token}"} | ({"Idempotency-Key": key} if key else {})
        while not self.is_over:
            try:
                answer = httpx.post(self.url, json=body, headers=headers, trust_env=False, timeout=10)
            except httpx.TransportError:
                time.sleep(0.1)
            else:
                assert answer.status_code in (200, 202), answer.text
                return

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        self.process = self.cluster.web(self.port)


def start_while_it_dies(cluster: Cluster, token: str, *, with_keys: bool) -> None:
    web = Web(cluster, token)
    entries = [f"run-{i}" for i in range(N_RUNS)]
    with ThreadPoolExecutor(N_CLIENTS) as pool:
        try:
            asked = [pool.submit(web.start_run, e, key=e if with_keys else "") for e in entries]
            answered = as_completed(asked, timeout=form(short=60, long=300))
            for n, future in enumerate(answered, 1):
                future.result()
                if n % (N_RUNS // (N_KILLS + 1)) == 0 and n < N_RUNS:
                    time.sleep(0.2)  # the next requests have arrived
                    web.kill()
        finally:
            web.is_over = True


@pytest.fixture
def token() -> str:
    ledger.create()
    world = personas.build_world()
    return personas.token(world.ada, world.analytical)


def test_a_start_whose_answer_dies_with_the_web_process_counts_once(token: str) -> None:
    with Cluster(workers=2, slots=4) as cluster:
        start_while_it_dies(cluster, token, with_keys=True)
        cluster.wait_until(lambda: n_open() == 0, seconds=120)
    assert_all_went_well(N_RUNS)


def test_control_without_a_key_a_start_that_is_asked_for_again_is_another_run(token: str) -> None:
    with Cluster(workers=0) as cluster:
        start_while_it_dies(cluster, token, with_keys=False)
    assert Run.objects.count() > N_RUNS
