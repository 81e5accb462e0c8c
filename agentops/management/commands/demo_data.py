"""`manage.py demo_data --runs N --steps M`, `manage.py demo_data --stuck-days N`."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from agentops.accounts.roles import Actor
from agentops.accounts.selectors import actor_named
from agentops.common.errors import AgentOpsError
from agentops.demo.services.insert_history import SHAPES, insert_history
from agentops.demo.services.insert_stuck import insert_stuck
from agentops.demo.services.start_load import BATCH_ID, start_load


class Command(BaseCommand):
    help = "Start many runs of many steps, which the workers execute; with --shape insert ended ones, which takes seconds."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--runs", type=int)
        parser.add_argument("--steps", type=int)
        shape = f"insert runs of this shape instead: {', '.join(SHAPES)}"
        parser.add_argument("--shape", choices=SHAPES, default="", help=shape)
        stuck = "insert runs that got stuck on each of so many past days instead, with their episodes"
        parser.add_argument("--stuck-days", type=int, help=stuck)
        parser.add_argument("--user", default="", help="on whose behalf (default: the only person there is)")
        parser.add_argument("--team", default="", help="slug of the team (needed for members of several)")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            actor = actor_named(options["user"], options["team"])
            if options["stuck_days"] is not None:
                n_runs = insert_stuck(actor=actor, n_days=options["stuck_days"])
                self.stdout.write(
                    f"inserted {n_runs} runs that got stuck in the last {options['stuck_days']} days"
                )
                return
            if options["runs"] is None or options["steps"] is None:
                raise CommandError("give --runs and --steps, or --stuck-days")
            if options["shape"]:
                self._insert(actor, options["shape"], options["runs"], options["steps"])
                return
            n_runs = start_load(actor=actor, n_runs=options["runs"], n_steps=options["steps"])
        except AgentOpsError as error:
            raise CommandError(error.detail) from error
        self.stdout.write(f"started {n_runs} runs of {options['steps']} steps, batch {BATCH_ID}")

    def _insert(self, actor: Actor, shape: str, n_runs: int, n_steps: int) -> None:
        for _ in range(n_runs):
            run = insert_history(actor=actor, shape=shape, n_steps=n_steps)
            self.stdout.write(f"inserted {run.pk}: {run.title}")
