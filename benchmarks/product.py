"""The product as a contestant: its own database, real Celery workers and the clock, runs started by `start_run()`.

Import it in a fresh process: Django is set up once, for one database.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from itertools import count
from pathlib import Path
from typing import Any

from benchmarks import database
from benchmarks.durable import SLOTS, Contestant, kill
from benchmarks.figures import versions

ROOT = Path(__file__).resolve().parents[1]
DATABASE, TEMPLATE = "bench_product", "bench_product_template"
PACKAGES = versions("Django", "celery", "redis", "psycopg", "orjson", "zstandard")


def environment() -> dict[str, str]:
    """Return what a process of the product needs to find its servers and the benchmarks' programs."""
    return {
        "DATABASE_URL": database.url(DATABASE),
        "REDIS_URL": os.environ["BENCH_REDIS"],
        "SECRET_KEY": "benchmarks-only-secret-key-of-fifty-characters-and-more",
        "AGENTOPS_INTEGRITY_KEY": "benchmarks-only-integrity-key",
        "AGENTOPS_HOME": str(Path(tempfile.gettempdir()) / "agentops-bench-home"),
        "AGENTS": str(ROOT / "benchmarks" / "agents"),
        "DEMO": "0",
        "LOG_LEVEL": "WARNING",
        "WORKER_SLOTS": str(SLOTS),
        "DJANGO_SETTINGS_MODULE": "agentops.settings",
    }


class Product(Contestant):
    """Runs of `program`; its input names the workflow. Workers have so many `slots` each."""

    name = "product"
    packages = PACKAGES

    def __init__(self, program: str = "bench-trivial", *, slots: int = SLOTS) -> None:
        self.program, self.slots = program, slots
        self._processes: list[subprocess.Popen[bytes]] = []
        self._batches = count()

    def set_up(self) -> None:
        os.environ.update(environment())
        self._make_template()
        database.create(DATABASE, template=TEMPLATE)
        self._set_up_django()
        self._actor = self._make_team()
        self._processes = [self._start("manage.py", "clock")]

    def worker(self, number: int) -> tuple[list[str], dict[str, str]]:
        return [
            *(sys.executable, "-m", "celery", "-A", "agentops", "worker", "-P", "threads"),
            *("-c", str(self.slots)),
            *("-Q", "default", "--without-gossip", "--without-mingle", "--without-heartbeat"),
            *("-n", f"bench{number}@%h", "-l", "WARNING"),
        ], {"WORKER_SLOTS": str(self.slots)}

    def n_ready(self, _: Path) -> int:
        from runs.models import Worker

        return Worker.objects.filter(dead_at__isnull=True).count()

    def submit(self, workflows: Sequence[str]) -> None:
        for workflow in workflows:
            self.start({"workflow": workflow})

    def start(self, state: dict[str, Any]) -> Any:
        """Start a run and return its row."""
        from runs.services.start_run import start_run

        return start_run(actor=self._actor, agent=self.program, input=state)[0]

    def start_many(self, states: Sequence[dict[str, Any]]) -> None:
        """Start a run for each state, a batch a thousand, as `POST /runs/batch` does."""
        from runs.services.start_batch import MAX_INPUTS

        for first in range(0, len(states), MAX_INPUTS):
            self.start_batch(states[first : first + MAX_INPUTS], f"batch-{next(self._batches)}")

    def start_batch(self, states: Sequence[dict[str, Any]], batch_id: str) -> None:
        from runs.services.start_batch import start_batch

        start_batch(actor=self._actor, agent=self.program, inputs=states, batch_id=batch_id)

    def tear_down(self) -> None:
        from django.db import connection

        for process in self._processes:
            kill(process)
        connection.close()
        database.drop(DATABASE)

    def n_in(self, status: str) -> int:
        """Return how many runs have the status."""
        from runs.models import Run

        return Run.objects.filter(status=status).count()

    def make_webhook(self, slug: str) -> str:
        """Make a webhook whose events bear the workflow as their key; return its secret."""
        from runs.services.create_source import create_source

        settings = {"key_pointer": "/workflow"}
        return create_source(actor=self._actor, slug=slug, kind="webhook", settings=settings)[1]

    def start_web(self, port: int) -> None:
        """Start the web process as `make up` does."""
        self.web = self._start(
            *("-m", "uvicorn", "agentops.asgi:application", "--host", "127.0.0.1", "--port", str(port)),
            *("--no-access-log", "--lifespan", "off", "--log-level", "warning"),
        )
        self._processes.append(self.web)

    def start_rehearsal(self, port: int) -> None:
        """Start the rehearsal model as `make up` does."""
        command = [sys.executable, "manage.py", "rehearsal", "--port", str(port)]
        self._processes.append(
            subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, start_new_session=True)
        )

    def make_provider(self, base_url: str, models: list[dict[str, Any]]) -> None:
        """Offer the models behind the address to all agents."""
        from runs.services.create_provider import create_provider

        create_provider(
            actor=self._actor, slug="bench", kind="compatible", base_url=base_url, key="none", models=models
        )

    def make_token(self) -> str:
        """Return the secret of an API token that may start runs."""
        from agentops.accounts.models import Membership, User
        from agentops.accounts.services.create_token import create_token

        user = User.objects.create(username="bench", email="bench@example.org")
        membership = Membership.objects.create(user=user, team_id=self._actor.team_id, role="operator")
        return create_token(membership=membership, name="bench", scopes=["read", "run"])[1]

    def _start(self, *words: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen([sys.executable, *words], cwd=ROOT, start_new_session=True)

    def _make_template(self) -> None:
        """Migrate once for all repetitions."""
        if not database.exists(TEMPLATE):
            database.create(TEMPLATE)
            command = [sys.executable, "manage.py", "migrate", "--no-input", "-v", "0"]
            url = {"DATABASE_URL": database.url(TEMPLATE)}
            subprocess.run(command, cwd=ROOT, env=os.environ | url, check=True)

    def _set_up_django(self) -> None:
        import django

        django.setup()

    def _make_team(self) -> Any:
        from agentops.accounts.models import Team
        from agentops.accounts.roles import Actor, Scope
        from runs.services.register_programs import register_programs

        team = Team.objects.create(slug="bench", name="Benchmarks")
        register_programs(team_id=team.id)
        return Actor(team.id, None, "benchmarks", frozenset(Scope))
