"""Ten thousand runs that wait for an event each, woken by ten thousand signed webhooks: `python -m benchmarks.events`.

The driver signs and sends over HTTP, on connections that it keeps, to the web process of the product, on the same cores as
everything else. Each run marks its waking once; a mark too many or too few is a fault.
"""

import argparse
import http.client
import json
import os
import socket
import threading
import time
from collections import Counter
from typing import Any

from agentops.common.standard_webhooks import headers_of, key_of_text
from benchmarks.durable import Workers, cpu_seconds, spent_cpu
from benchmarks.figures import emit, percentile
from benchmarks.product import Product

SENDERS = 8
REPEATED_EVERY = 20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=10_000)
    parser.add_argument("--worker", type=int, help="be this worker (used by the driver)")
    given = parser.parse_args()
    product = Product("bench-waits")
    product.set_up()
    try:
        port = _free_port()
        product.start_web(port)
        with Workers(product, "rate") as workers:
            figures = measure(product, workers, port, given.n)
    finally:
        product.tear_down()
    emit(f"events n={given.n}", product.name, figures, product.packages)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def measure(product: Product, workers: Workers, port: int, n: int) -> dict[str, tuple[float | None, str]]:
    key = key_of_text(product.make_webhook("bench"))
    product.start_many([{"workflow": f"e{i}"} for i in range(n)])
    workers.wait(lambda: product.n_in("waiting") >= n, seconds=600, pause=1.0)
    before = _spent(product, workers)
    began = time.time()
    answers, sent_at = _send_all(port, key, n)
    sent = time.time()
    workers.wait(
        lambda: product.n_in("waiting") + product.n_in("queued") + product.n_in("running") == 0, pause=0.5
    )
    marks = Counter(mark.workflow for mark in workers.of("e"))
    woken_at = {mark.workflow: mark.at for mark in workers.of("e")}
    lags = [woken_at[name] - at for name, at in sent_at.items() if name in woken_at]
    used = {name: after - before[name] for name, after in _spent(product, workers).items()}
    return {
        **{name: (round(seconds * 1e3 / n, 2), "ms/event") for name, seconds in used.items()},
        "delivered": (round(n / (sent - began), 1), "1/s"),
        "woken": (round(n / (max(woken_at.values()) - began), 1), "1/s"),
        "lag_p50": (round(percentile(lags, 50) * 1e3, 1), "ms"),
        "lag_p99": (round(percentile(lags, 99) * 1e3, 1), "ms"),
        "repeated": (answers[200], "deliveries"),
        "refused": (sum(answers.values()) - answers[200] - answers[202], "deliveries"),
        "never_woken": (n - len(marks), "runs"),
        "woken_twice": (sum(count > 1 for count in marks.values()), "runs"),
    }


def _spent(product: Product, workers: Workers) -> dict[str, float]:
    return {**spent_cpu(workers), "web_cpu": cpu_seconds(product.web.pid)}


def _send_all(port: int, key: bytes, n: int) -> tuple[Counter[int], dict[str, float]]:
    """Send an event to each run from SENDERS threads, every REPEATED_EVERY-th twice; return the answers, and when."""
    answers: Counter[int] = Counter()
    sent_at: dict[str, float] = {}
    lock = threading.Lock()
    numbers = iter(range(n))

    def send() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        while True:
            with lock:
                number = next(numbers, None)
            if number is None:
                return
            for _ in range(2 if number % REPEATED_EVERY == 0 else 1):
                sent_at.setdefault(f"e{number}", time.time())
                status = _deliver(connection, key, number)
                with lock:
                    answers[status] += 1

    threads = [threading.Thread(target=send) for _ in range(SENDERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers, sent_at


def _deliver(connection: http.client.HTTPConnection, key: bytes, number: int) -> int:
    body = json.dumps({"type": "paid", "workflow": f"e{number}", "by": os.getpid()}).encode()
    headers: dict[str, Any] = headers_of(f"delivery-{number}", int(time.time()), body, [key])
    connection.request("POST", "/hooks/bench", body, {**headers, "Content-Type": "application/json"})
    answer = connection.getresponse()
    answer.read()
    return answer.status


if __name__ == "__main__":
    main()
