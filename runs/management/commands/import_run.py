from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from agentops.audit.services.record import record_of_product
from agentops.common.errors import AgentOpsError
from agentops.common.transactions import transaction
from runs.services.import_run import import_run

WHO = "manage.py import_run"


class Command(BaseCommand):
    help = "Restore runs from the files of their archives; each is checked against its chain."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", nargs="+", type=Path)

    def handle(self, *args: Any, **options: Any) -> None:
        for path in options["file"]:
            try:
                run = import_run(path=path, by=WHO)
            except (AgentOpsError, OSError) as error:
                raise CommandError(f"{path}: {error}") from error
            with transaction():
                record_of_product(team_id=run.team_id, by=WHO, action="run.restore", subject=f"run:{run.pk}")
            self.stdout.write(f"restored {run.pk} {run.status} {run.title}")
