from pathlib import Path
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError, CommandParser

from agentops.common.errors import AgentOpsError
from runs.archives.files import SUFFIX
from runs.models import Run
from runs.services.export_run import export_run


class Command(BaseCommand):
    help = "Write runs to files that manage.py import_run restores; the runs stay as they are."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("run", nargs="+", type=UUID)
        parser.add_argument("--to", type=Path, default=Path(), help="a folder (default: this one)")

    def handle(self, *args: Any, **options: Any) -> None:
        for run_id in options["run"]:
            path = options["to"] / f"{run_id}{SUFFIX}"
            try:
                written = export_run(run_id=run_id, path=path)
            except (AgentOpsError, OSError, Run.DoesNotExist) as error:
                raise CommandError(f"{run_id}: {error}") from error
            self.stdout.write(f"{path}: {written.n_rows} rows, {written.file_bytes} bytes")
