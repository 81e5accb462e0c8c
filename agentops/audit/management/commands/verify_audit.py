from typing import Any

from django.core.management.base import BaseCommand, CommandError

from agentops.audit.services.seal_entries import seal_entries
from agentops.audit.verify import chain_ids, verify_chain


class Command(BaseCommand):
    help = "Check every entry of the audit against its chain; exit status 1 when one fails."

    def handle(self, *args: Any, **options: Any) -> None:
        while seal_entries():
            pass
        n_entries = n_failures = 0
        for verdict in map(verify_chain, chain_ids()):
            n_entries, n_failures = n_entries + verdict.n_entries, n_failures + verdict.n_failures
            for failure in verdict.failures:
                self.stdout.write(f"{verdict.chain_id}: {failure}")
        self.stdout.write(f"{n_entries} entries checked, {n_failures} failures")
        if n_failures:
            raise CommandError(
                "the audit is not what was written; keep the database as it is for whoever looks into it"
            )
