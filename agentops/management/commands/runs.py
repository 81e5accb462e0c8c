"""`manage.py runs`."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from agentops.accounts.selectors import actor_named
from agentops.common.errors import AgentOpsError
from runs.models import Run
from runs.selectors import run_list_for


class Command(BaseCommand):
    help = "List the newest runs of a team."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "query", nargs="*", help="as in the console: words, status:failed, agent:site-research"
        )
        parser.add_argument("--user", default="", help="on whose behalf (default: the only person there is)")
        parser.add_argument("--team", default="", help="slug of the team (needed for members of several)")
        parser.add_argument("--limit", type=int, default=20)

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            actor = actor_named(options["user"], options["team"])
            page = run_list_for(actor, text=" ".join(options["query"]), limit=options["limit"])
        except AgentOpsError as error:
            raise CommandError(error.detail) from error
        for run in page.items:
            self.stdout.write(_line(run))


def _line(run: Run) -> str:
    progress = f"{run.progress_done}/{run.progress_total or '?'}" if run.progress_done is not None else ""
    started = f"{run.created_at:%Y-%m-%d %H:%M:%S}"
    return f"{run.id}  {started}  {run.status:<17} {run.agent.slug:<16} {progress:>9}  {run.title}".rstrip()
