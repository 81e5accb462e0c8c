"""`manage.py prune`."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from agentops.accounts.selectors import actor_named
from agentops.common.errors import AgentOpsError
from runs.selectors.prune_preview import prune_sums_for
from runs.selectors.retention import DueSum, due_sums, rules_of
from runs.services.begin_retention import begin_retention
from runs.services.work_on_retention import work_on_retention


class Command(BaseCommand):
    help = "Archive, delete and prune what the team's policies of retention say is due; --dry-run only tells."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--user", default="", help="an admin, on whose behalf; may be left out when there is one person"
        )
        parser.add_argument("--team", default="", help="slug of the team, for somebody in several")
        parser.add_argument("--dry-run", action="store_true", help="say what would go, and change nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            actor = actor_named(options["user"], options["team"])
            for due in [*due_sums(actor.team_id, rules_of(actor.team_id)), *(prune_sums_for(actor) or ())]:
                self.stdout.write(_line(due))
            if options["dry_run"]:
                self.stdout.write("nothing was changed")
                return
            job = begin_retention(actor=actor)
        except AgentOpsError as error:
            raise CommandError(error.detail) from error
        while work_on_retention():
            pass
        job.refresh_from_db()
        self.stdout.write(
            f"{job.state}: {job.n_archived:,} archived, {job.n_deleted:,} deleted, {job.n_pruned:,} pruned, {job.n_kept:,} kept,"
            f" {job.n_failed:,} failed"
        )
        if job.problem:
            raise CommandError(job.problem)


def _line(due: DueSum) -> str:
    size = f"{due.row_bytes:,} bytes of rows, {due.file_bytes:,} of archives"
    return f"{due.act}: {due.n_runs:,} runs ({size}); {due.n_kept:,} more are due and needed"
