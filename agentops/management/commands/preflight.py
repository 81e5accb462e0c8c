"""`manage.py preflight`."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from agentops.preflight import findings


class Command(BaseCommand):
    help = "Say what speaks against running this installation in production; exit status 1 when something must be mended first."
    requires_system_checks: list[str] = []  # it runs them itself, and tells of them

    def handle(self, *args: Any, **options: Any) -> None:
        found = findings()
        for finding in found:
            self.stdout.write(f"{'must' if finding.is_fatal else 'should'} be mended: {finding.text}")
        n_fatal = sum(finding.is_fatal for finding in found)
        if n_fatal:
            raise CommandError(f"not fit for production: {n_fatal} of these must be mended first")
        self.stdout.write("fit for production")
