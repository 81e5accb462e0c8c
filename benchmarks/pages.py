"""The pages of very long runs: `python -m benchmarks.pages --steps 10000 100000 [--save]`.

Runs of three shapes are inserted (a long loop, one node with nearly all steps, nodes of many names), a tree of 200 runs each
below the other, of which the lowest is looked at, and one whose state grows to 5 MB. Each page is asked for ROUNDS times of the deployed server; the run page is also opened in Chromium until
its first contentful paint. Prints JSON lines: medians, 95th
percentiles and bytes.
"""

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from typing import Any

from benchmarks.figures import Figures, emit, percentile, versions
from benchmarks.lists import environment_of
from benchmarks.report import save
from benchmarks.servers import servers

ROUNDS = 20
PAINTS = 9
PORT = 8991
SHAPES = ("loop", "wide", "mixed")
HEAVY_STEPS = 200
PARTS = {
    "page": "/runs/{id}",
    "step_in_the_middle": "/runs/{id}/steps/{middle}",
    "chunk": "/runs/{id}/tree/rows?after={middle}",
    "opened_fold": "/runs/{id}/tree/inside?parent={parent}&first={first}&last={middle}&level=2",
    "log": "/runs/{id}/log",
    "story": "/runs/{id}/story",
    "next_error": "/runs/{id}/errors?from={middle}",
}
HEAVY_PARTS = {
    "state": "/runs/{id}/state",
    "diff": "/runs/{id}/diff/1..{last}",
    "diff_of_neighbours": "/runs/{id}/diff/{before}..{last}",
    "blame": "/runs/{id}/state?at=/texts",
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.pages", description=__doc__)
    parser.add_argument("--steps", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--save", action="store_true", help="write benchmarks/results/<date>.json and .md")
    given = parser.parse_args()
    known, lines = versions("django", "psycopg"), []
    with servers() as environment:
        os.environ |= environment_of(environment)
        busy = round(os.getloadavg()[0], 1)
        for name, figures in measured(given.steps):
            lines += [line | {"load_before": busy} for line in emit("pages", name, figures, known)]
    if given.save:
        save(lines)


def measured(all_steps: list[int]) -> Iterator[tuple[str, Figures]]:
    """Insert the runs and yield the figures of each."""
    import django

    django.setup()
    from agentops.demo.services.insert_history import insert_history

    actor, cookie = prepared()
    with server():
        for n_steps in all_steps:
            for shape in SHAPES:
                run = insert_history(actor=actor, shape=shape, n_steps=n_steps)
                yield f"{shape} of {n_steps:,}", figures_of(run, PARTS, cookie, shape) | paints(run, cookie)
            run = lowest(insert_history(actor=actor, shape="deep", n_steps=n_steps))
            yield f"200 levels of {n_steps:,}", figures_of(run, PARTS, cookie, "deep") | paints(run, cookie)
        run = insert_history(actor=actor, shape="heavy", n_steps=HEAVY_STEPS)
        yield "state of 5 MB", figures_of(run, HEAVY_PARTS, cookie, "heavy")


def lowest(root: Any) -> Any:
    from runs.models import Run

    return Run.objects.filter(root_id=root.pk).order_by("-depth")[0]


def prepared() -> tuple[Any, str]:
    """Make a team and its demo agents; return who acts, and their session."""
    from django.conf import settings
    from django.core.management import call_command
    from django.test import Client

    from agentops.accounts.models import User
    from agentops.accounts.roles import Role
    from agentops.accounts.selectors import actor_named
    from agentops.accounts.services.add_member import add_member
    from runs.services.register_programs import register_programs

    call_command("migrate", verbosity=0)
    team = add_member(
        team_slug="bench", team_name="Bench", username="ada", email="ada@example.org", role=Role.ADMIN
    ).team
    register_programs(team_id=team.pk)
    client = Client()
    client.force_login(User.objects.get(username="ada"))
    return actor_named(
        "", ""
    ), f"{settings.SESSION_COOKIE_NAME}={client.cookies[settings.SESSION_COOKIE_NAME].value}"


@contextmanager
def server() -> Iterator[None]:
    """Run the web server as it is deployed."""
    command = [
        sys.executable,
        "-m",
        "uvicorn",
        "agentops.asgi:application",
        "--port",
        str(PORT),
        "--no-access-log",
    ]
    process = subprocess.Popen([*command, "--lifespan", "off", "--log-level", "error"])
    try:
        until = time.monotonic() + 60
        while time.monotonic() < until:
            try:
                fetch("/healthz", "")
                break
            except OSError:
                time.sleep(0.2)
        yield
    finally:
        process.terminate()
        process.wait(timeout=20)


def fetch(path: str, cookie: str) -> tuple[float, int, int]:
    """Return seconds, status and bytes of a page."""
    connection = HTTPConnection("127.0.0.1", PORT, timeout=120)
    began = time.perf_counter()
    connection.request("GET", path, headers={"Cookie": cookie, "Host": "localhost"})
    answer = connection.getresponse()
    n_bytes = len(answer.read())
    seconds = time.perf_counter() - began
    connection.close()
    return seconds, answer.status, n_bytes


def figures_of(run: Any, parts: dict[str, str], cookie: str, shape: str) -> dict[str, tuple[float, str]]:
    """Return of each part how long it took, median and 95th percentile, and its bytes."""
    last, middle = run.head_seq, run.head_seq // 2 // 2 * 2 + 1
    place = {"id": run.pk, "middle": middle, "last": last, "before": last - 2, "parent": 0, "first": 1}
    if shape == "wide":
        place |= {"parent": 3, "first": 4}
    found: dict[str, tuple[float, str]] = {}
    for name, pattern in parts.items():
        path = pattern.format_map(place)
        _first, status, n_bytes = fetch(path, cookie)  # what is asked for once a process is not the page's
        assert status in (200, 302, 404), f"{path} answered {status}"
        seconds = [fetch(path, cookie)[0] for _ in range(ROUNDS)]
        found |= {f"{name}_p{at}": (round(percentile(seconds, at) * 1e3, 1), "ms") for at in (50, 95)}
        found[f"{name}_bytes"] = (n_bytes, "B")
    return found


def paints(run: Any, cookie: str) -> dict[str, tuple[float, str]]:
    """Return median and 95th percentile of the first contentful paint, each in a new context; nothing without Chromium."""
    from shutil import which

    browser_path = os.environ.get("CHROMIUM") or which("chromium") or which("google-chrome")
    if browser_path is None:
        return {}
    from playwright.sync_api import sync_playwright

    name, _equals, value = cookie.partition("=")
    seconds = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=browser_path, args=["--no-sandbox", "--disable-gpu"]
        )
        for _ in range(PAINTS):
            context = browser.new_context(
                base_url=f"http://localhost:{PORT}", viewport={"width": 1440, "height": 900}
            )
            context.add_cookies([{"name": name, "value": value, "url": f"http://localhost:{PORT}"}])
            page = context.new_page()
            page.goto(f"/runs/{run.pk}", wait_until="load")
            page.wait_for_timeout(100)
            script = "performance.getEntriesByName('first-contentful-paint')[0].startTime / 1e3"
            seconds.append(float(page.evaluate(script)))
            context.close()
        browser.close()
    return {f"first_paint_p{at}": (round(percentile(seconds, at) * 1e3), "ms") for at in (50, 95)}


if __name__ == "__main__":
    main()
