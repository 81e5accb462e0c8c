"""`manage.py reindex`."""

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from runs.services.reindex import reindex

TOLD_EVERY = 1000


class Command(BaseCommand):
    help = "Read anew the last states and errors of runs that have ended, so that searches find them; the clock goes on by itself."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--days", type=int, default=3650, help="only runs that ended within so many days")

    def handle(self, *args: Any, **options: Any) -> None:
        n_read = told = 0
        for n_read in reindex(days=options["days"]):
            if n_read - told >= TOLD_EVERY:
                told = n_read
                self.stdout.write(f"{n_read:,} runs read")
        self.stdout.write(f"done: {n_read:,} runs read")
