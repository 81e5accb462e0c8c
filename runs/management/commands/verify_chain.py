from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from runs.archives.verdicts import archive_verdict
from runs.checkpoints.verify import Verdict, verify_run
from runs.models import Run
from runs.services.flag_integrity import flag_integrity


class Command(BaseCommand):
    help = "Check all that is stored of runs, here or in archives, against the integrity chain; exit status 1 when one fails."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("run", nargs="*", help="ids of runs; all runs when none is given")

    def handle(self, *args: Any, **options: Any) -> None:
        runs = Run.objects.filter(pk__in=options["run"]) if options["run"] else Run.objects.all()
        n_runs = n_rows = n_failed = 0
        for run in runs.order_by("id").iterator(100):
            verdict = verify_run(run) if run.archived_at is None else archive_verdict(run)
            n_runs, n_rows = n_runs + 1, n_rows + verdict.n_rows
            if not verdict.is_clean:
                n_failed += 1
                self._report(verdict)
        self.stdout.write(f"{n_runs} runs, {n_rows} rows checked, {n_failed} runs fail")
        if n_failed:
            raise CommandError(
                "the chain is broken; fork the runs named above from their last good checkpoint"
            )

    def _report(self, verdict: Verdict) -> None:
        if not Run.objects.filter(pk=verdict.run_id, archived_at__isnull=False).exists():
            flag_integrity(
                run_id=verdict.run_id, text=verdict.failures[0], last_good_seq=verdict.last_good_seq
            )
        for failure in verdict.failures[:20]:
            self.stdout.write(failure)
        if len(verdict.failures) > 20:
            self.stdout.write(f"… and {len(verdict.failures) - 20} more")
        self.stdout.write(f"run {verdict.run_id}: the last good checkpoint is {verdict.last_good_seq}")
