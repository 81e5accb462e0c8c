"""The browser of the tests: the system's Chromium, quiet, and watched for complaints."""

import os
import shutil
from dataclasses import dataclass, field
from typing import Any

from playwright.sync_api import ConsoleMessage, Page

ARGS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip
TELL_VIOLATIONS = """
addEventListener("securitypolicyviolation", (e) => console.error(`CSP forbids ${e.violatedDirective} ${e.blockedURI}`));
"""


def chromium() -> str | None:
    """Return the path of a Chromium; None when there is none."""
    named = os.environ.get("CHROMIUM")
    found = (shutil.which(name) for name in ("chromium", "chromium-browser", "google-chrome", "chrome"))
    return named or next((path for path in found if path), None)


@dataclass
class Complaints:
    """What a page complained of: errors in its console, exceptions, what its security policy forbade."""

    told: list[str] = field(default_factory=list)

    def watch(self, page: Page) -> Page:
        page.add_init_script(TELL_VIOLATIONS)
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.told.append(f"exception: {error}"))
        page.on("requestfailed", self._failed)
        return page

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.told.append(f"{message.type}: {message.text}")

    def _failed(self, request: Any) -> None:
        if request.failure != "net::ERR_ABORTED":  # asked for by a page that was left meanwhile
            self.told.append(f"failed: {request.url} {request.failure}")
