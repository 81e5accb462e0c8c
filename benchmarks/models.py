"""Agents of language models on the product: `python -m benchmarks.models --mode slots|known|learned`.

200 runs ask the rehearsal model, which takes a second for each answer, on two worker processes of 32 slots each.

slots    nothing limits them but the slots: 200 runs x calls x 1 s / 64 is the least that they can take
known    the provider lets so many requests and tokens a minute through and answers the others with 429; it was said how many
learned  nobody was told: the limits stand in the headers of its answers

What was asked and refused is counted by the server, a process of its own.
"""

import argparse
import json
import socket
import urllib.error
import urllib.request
from typing import Any

from benchmarks.durable import WORKERS, Workers, spent_cpu
from benchmarks.figures import Figures, emit
from benchmarks.product import Product

SLOTS = 32
LATENCY_SECONDS = 1.0
PATIENCE_SECONDS = 540.0
RPM, TPM = 900, 400_000
N_WARM = 4 * WORKERS * SLOTS
_SPAN = """
SELECT extract(epoch FROM max(ended_at) - min(created_at))::float8, count(*) FILTER (WHERE status = 'succeeded')
FROM runs_run WHERE batch_id = %s
"""


class Server:
    """The rehearsal model, as its own process, asked over HTTP as anybody may."""

    def __init__(self, product: Product) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.root = f"http://127.0.0.1:{free.getsockname()[1]}"
        product.start_rehearsal(int(self.root.rpartition(":")[2]))

    def answers(self) -> bool:
        try:
            return bool(self.stats())
        except urllib.error.URLError:
            return False

    def behave(self, **switches: Any) -> None:
        """Behave so from now on, and forget what was counted."""
        self._ask("POST", "/_control", switches)
        self._ask("DELETE", "/_stats")

    def stats(self) -> dict[str, Any]:
        return self._ask("GET", "/_stats")

    def _ask(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            self.root + path, data, {"Content-Type": "application/json"}, method=method
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            found: dict[str, Any] = json.load(answer)
            return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mode", choices=["slots", "known", "learned"], default="slots")
    parser.add_argument("--n", type=int, default=200, help="runs")
    parser.add_argument("--calls", type=int, default=12, help="requests of each run, one after the other")
    given = parser.parse_args()
    product = Product("bench-talks", slots=SLOTS)
    product.set_up()
    try:
        server = Server(product)
        with Workers(product, "rate") as workers:
            workers.wait(server.answers)
            limits = {"rpm": RPM, "tpm": TPM}
            told = limits if given.mode == "known" else {}
            product.make_provider(f"{server.root}/v1", [{"name": "rehearsal", **told}])
            server.behave(latency_ms=200)
            product.start_batch(tasks(N_WARM, 1), "warm")
            workers.wait(lambda: n_open(product, "warm") == 0, pause=0.2)
            server.behave(latency_ms=LATENCY_SECONDS * 1000, **({} if given.mode == "slots" else limits))
            figures = measure(product, workers, server, given)
    finally:
        product.tear_down()
    emit(f"models {given.mode} n={given.n}x{given.calls}", product.name, figures, product.packages)


def measure(product: Product, workers: Workers, server: Server, given: argparse.Namespace) -> Figures:
    from django.db import connection

    spent = spent_cpu(workers)
    product.start_batch(tasks(given.n, given.calls), "measured")
    workers.wait(lambda: n_open(product, "measured") == 0, seconds=PATIENCE_SECONDS, pause=0.5)
    used = {name: after - spent[name] for name, after in spent_cpu(workers).items()}
    with connection.cursor() as cursor:
        cursor.execute(_SPAN, ["measured"])
        seconds, n_well = cursor.fetchone()
    counted = server.stats()
    n_requests = given.n * given.calls
    least = n_requests * LATENCY_SECONDS / (WORKERS * SLOTS)
    return {
        "elapsed": (round(seconds, 1), "s"),
        "least_by_slots": (round(least, 1), "s"),
        "over_least": (round((seconds / least - 1) * 100, 1), "%"),
        "ended_well": (n_well, "runs"),
        "requests": (counted["requests"], "requests"),
        "repeated": (counted["requests"] - n_requests, "requests"),
        "refused_429": (counted["statuses"].get("429", 0), "requests"),
        "peak_rpm": (counted["peak_rpm"], "requests/min"),
        "peak_tpm": (counted["peak_tpm"], "tokens/min"),
        "memory": (round(workers.memory_bytes() / 1e6, 1), "MB"),
        **{name: (round(one / n_requests * 1e3, 2), "ms/request") for name, one in used.items()},
    }


def tasks(n: int, n_calls: int) -> list[dict[str, Any]]:
    turns: list[Any] = [
        {"calls": [{"tool": "bench_double", "args": {"number": i}}]} for i in range(n_calls - 1)
    ]
    script = json.dumps([*turns, {"finish": "doubled"}])
    return [{"task": f"Run {i}: play this.\n```rehearsal\n{script}\n```"} for i in range(n)]


def n_open(product: Product, batch_id: str) -> int:
    from runs.models import Run

    return Run.objects.filter(batch_id=batch_id, ended_at=None).count()


if __name__ == "__main__":
    main()
