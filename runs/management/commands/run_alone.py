from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandParser

from runs.services.isolate import advance_alone


class Command(BaseCommand):
    help = "Advance one isolated run by one slice in this process (started by workers)."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("run", type=UUID)

    def handle(self, *args: Any, **options: Any) -> None:
        advance_alone(options["run"])
