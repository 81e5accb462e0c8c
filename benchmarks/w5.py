"""W5: research over fifty faulty sites while workers are killed; `python -m benchmarks.w5 --variant product|request|process|restarted`.

Each site has faults of its own, the same for every contestant: time-outs, 429 with Retry-After, 500, hangs, what is not
HTTP, cuts. Sixteen run at once, eight in the hands of each of two killers' victims: every few seconds one of the two is
killed with SIGKILL and started again. All run the same program with the same retries.

product    runs of the product on two worker processes of eight slots
request    one synchronous request for each, with a time-out, to two server processes
process    a process for each, which nobody starts again
restarted  a process for each, which is started again from its beginning, up to five times
"""

import argparse
import itertools
import os
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from benchmarks.durable import SLOTS, WORKERS, Workers, kill
from benchmarks.faulty_sites import FaultySite, faulty_sites
from benchmarks.figures import emit
from benchmarks.product import PACKAGES, Product, environment

MAX_PAGES = 8
KILL_EVERY_SECONDS = 10.0
N_KILLS = 8
REQUEST_TIMEOUT_SECONDS = 30.0
RESTARTS = 5
PATIENCE_SECONDS = 540.0


class Runner(ABC):
    """Does the research over each site. `kill` ends one half of what is `under_way`, as a host that fails would."""

    def __init__(self, sites: Sequence[FaultySite]) -> None:
        self.sites = sites
        self.under_way, self.is_over = threading.Event(), threading.Event()
        self.n_kills = 0
        self._lock = threading.Lock()

    @abstractmethod
    def run(self) -> list[bool]:
        """Return of each site whether its run says that it has succeeded."""

    @abstractmethod
    def kill(self, half: int) -> None:
        """Kill a half, and start it again where somebody would."""

    def kill_next(self) -> None:
        """Kill the half whose turn it is, unless it is over."""
        with self._lock:
            if not self.is_over.is_set():
                self.kill(self.n_kills % WORKERS)
                self.n_kills += 1

    def end_kills(self) -> None:
        with self._lock:
            self.is_over.set()

    def more(self) -> dict[str, tuple[float | None, str]]:
        """Return figures of its own."""
        return {}


class OnProduct(Runner):
    def run(self) -> list[bool]:
        product = Product("bench-research")
        product.set_up()
        from runs.models import Run

        try:
            with Workers(product, "rate") as self.workers:
                states = [
                    {"root": f"{site.url}/", "max_pages": MAX_PAGES, "ask_first": False}
                    for site in self.sites
                ]
                ids = [product.start(state).pk for state in states]
                self.under_way.set()
                _wait(lambda: Run.objects.filter(ended_at=None).count() == 0)
                ended = dict(Run.objects.values_list("id", "status"))
                self.end_kills()
                self.figures = _figures_of_runs()
            return [ended[one] == "succeeded" for one in ids]
        finally:
            product.tear_down()

    def kill(self, half: int) -> None:
        kill(self.workers.processes[half])
        self.workers.processes[half] = self.workers.start(half)

    def more(self) -> dict[str, tuple[float | None, str]]:
        return self.figures


def _figures_of_runs() -> dict[str, tuple[float | None, str]]:
    from runs.models import Attempt, Branch

    healed = Branch.objects.filter(cause="heal")
    return {
        "failed_attempts": (Attempt.objects.count(), "attempts"),
        "rungs": (healed.count(), "rungs"),
        "healed": (healed.values("run_id").distinct().count(), "runs"),
    }


class InRequests(Runner):
    """One request for each site, sixteen at once, to a server that is up; a client that is not answered in time gives up."""

    def run(self) -> list[bool]:
        self.servers = [_plain("--serve", str(_port(half))) for half in range(WORKERS)]
        _wait(lambda: all(_answers(_port(half)) for half in range(WORKERS)))
        self.under_way.set()
        try:
            with ThreadPoolExecutor(WORKERS * SLOTS) as pool:
                return list(pool.map(self._asked, range(len(self.sites))))
        finally:
            self.end_kills()
            for server in self.servers:
                kill(server)

    def _asked(self, n: int) -> bool:
        body = f'{{"root": "{self.sites[n].url}/", "max_pages": {MAX_PAGES}}}'.encode()
        _wait(lambda: _answers(_port(n % WORKERS)))
        request = urllib.request.Request(f"http://127.0.0.1:{_port(n % WORKERS)}/", body, method="POST")
        try:
            with urllib.request.urlopen(request, timeout=REQUEST_TIMEOUT_SECONDS) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def kill(self, half: int) -> None:
        kill(self.servers[half])
        self.servers[half] = _plain("--serve", str(_port(half)))


class InProcesses(Runner):
    """A process for each site, sixteen at once; `restarts` times one that did not end well is started again."""

    restarts = 0

    def run(self) -> list[bool]:
        self.processes: dict[int, tuple[int, subprocess.Popen[bytes]]] = {}
        self._halves = itertools.count()
        self.under_way.set()
        with ThreadPoolExecutor(WORKERS * SLOTS) as pool:
            return list(pool.map(self._worked, self.sites))

    def _worked(self, site: FaultySite) -> bool:
        half = next(self._halves) % WORKERS
        for _ in range(1 + self.restarts):
            process = _plain("--root", f"{site.url}/", "--max-pages", str(MAX_PAGES))
            self.processes[process.pid] = (half, process)
            status = process.wait()
            del self.processes[process.pid]
            if status == 0:
                return True
        return False

    def kill(self, half: int) -> None:
        for at, process in list(self.processes.values()):
            if at == half and process.poll() is None:
                process.kill()


class Restarted(InProcesses):
    restarts = RESTARTS


RUNNERS: dict[str, type[Runner]] = {
    "product": OnProduct, "request": InRequests, "process": InProcesses, "restarted": Restarted,
}  # fmt: skip


def measure(runner: Runner) -> dict[str, tuple[float | None, str]]:
    """Let the runner work while it is killed, and count what came of it, as the sites saw it."""
    began = time.monotonic()
    killer = threading.Thread(target=_kill, args=(runner,))
    killer.start()
    try:
        ended = runner.run()
    finally:
        runner.under_way.set()
        runner.end_kills()
        killer.join()
    seconds, sites = time.monotonic() - began, runner.sites
    done = [is_done and site.n_published > 0 for is_done, site in zip(ended, sites, strict=True)]
    lost = [site.n_given - site.n_pages * ok for ok, site in zip(done, sites, strict=True)]
    return {
        "completed": (round(100 * sum(done) / len(done), 1), "%"),
        "pages_lost": (round(100 * sum(lost) / max(1, sum(site.n_given for site in sites)), 1), "%"),
        "published_twice": (sum(site.n_published > 1 for site in sites), "runs"),
        "published_unknown": (sum(site.n_published > 0 and not ok for ok, site in zip(done, sites, strict=True)), "runs"),
        "kills": (runner.n_kills, "kills"),
        "all_ended": (round(seconds, 1), "s"),
        **runner.more(),
    }  # fmt: skip


def _kill(runner: Runner) -> None:
    runner.under_way.wait()
    while runner.n_kills < N_KILLS and not runner.is_over.wait(KILL_EVERY_SECONDS):
        runner.kill_next()


def _plain(*words: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "benchmarks.plain", *words]
    return subprocess.Popen(
        command,
        env=os.environ | environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def _port(half: int) -> int:
    return 18_760 + half


def _answers(port: int) -> bool:
    try:
        urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=1).close()
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False
    return True


def _wait(holds: Callable[[], bool]) -> None:
    until = time.monotonic() + PATIENCE_SECONDS
    while not holds() and time.monotonic() < until:
        time.sleep(0.5)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--variant", choices=list(RUNNERS), default="product")
    parser.add_argument("--n", type=int, default=50, help="sites, each with a seed of its own")
    given = parser.parse_args()
    with faulty_sites(given.n) as sites:
        os.environ["HTTP_ALLOW"] = ",".join(site.url.removeprefix("http://") for site in sites)
        figures: dict[str, Any] = measure(RUNNERS[given.variant](sites))
    emit(f"W5 n={given.n}", given.variant, figures, PACKAGES)


if __name__ == "__main__":
    main()
