"""`manage.py bootstrap_demo`: the last preparation of `make up`."""

import json
from argparse import ArgumentParser
from typing import Any
from urllib.parse import urljoin

from django.core.management.base import BaseCommand

from agentops.demo.services.bootstrap import bootstrap


class Command(BaseCommand):
    help = "Make the first team, its admin, a token and a sign-in link; print them as one line of JSON."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--bare", action="store_true", help="no demo run")
        parser.add_argument("--base-url", default="", help="address of the web server, for a whole login_url")

    def handle(self, *args: Any, bare: bool, base_url: str, **options: Any) -> None:
        made = bootstrap(is_bare=bare)
        document = {
            "login_url_path": made.login_url_path,
            "login_url": urljoin(base_url, made.login_url_path),
            "token": made.token,
        }
        self.stdout.write(json.dumps(document))
