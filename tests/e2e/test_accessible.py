"""Every page is clean by axe's rules, in light and dark, on a desk and on a phone, and never wider than its window."""

from typing import Any

import pytest
from axe_core_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, ViewportSize

from runs.models import AgentVersion
from tests.e2e.browser import Complaints
from tests.e2e.screens import PAGES, Visit, the_runs
from tests.e2e.server import WebServer

pytestmark = pytest.mark.django_db(transaction=True)

DESK, PHONE = ViewportSize(width=1440, height=900), ViewportSize(width=390, height=900)
PARTS = 4  # so that several processes share the pages
# What else a page on a phone could get wrong: the elements are those of the desk.
ON_A_PHONE = {"runOnly": ["aria-hidden-focus", "scrollable-region-focusable"]}
ONLY_CONTRAST = {"runOnly": ["color-contrast"]}


def violations(found: dict[str, Any]) -> list[str]:
    return [
        f"{rule['id']}: {rule['help']}: {node['html'][:160]} {node['any'][:1] or node['all'][:1]}"
        for rule in found["violations"]
        for node in rule["nodes"]
    ]


@pytest.mark.parametrize("part", range(PARTS))
def test_all_pages(
    browser: Browser, server: WebServer, version: AgentVersion, session_key: str, complaints: Complaints, part: int
) -> None:  # fmt: skip
    runs = the_runs(version)
    context = browser.new_context(base_url=server.url, color_scheme="light", viewport=DESK)
    context.add_cookies([{"name": "sessionid", "value": session_key, "url": server.url}])
    page = complaints.watch(context.new_page())
    axe, told = Axe(), []
    for visit in list(PAGES)[part::PARTS]:
        page.set_viewport_size(DESK)
        Visit(page, runs).go(visit)
        told += [f"{visit}: {line}" for line in violations(axe.run(page))]
        page.emulate_media(color_scheme="dark")  # which changes nothing but colours
        told += [f"{visit} (dark): {line}" for line in violations(axe.run(page, options=ONLY_CONTRAST))]
        page.emulate_media(color_scheme="light")
        told += too_wide(page, visit)
        page.set_viewport_size(PHONE)
        told += [f"{visit} (on a phone): {line}" for line in violations(axe.run(page, options=ON_A_PHONE))]
        told += too_wide(page, visit)
    context.close()
    expected = [line for line in complaints.told if "404 (Not Found)" in line]
    assert len(expected) <= 1  # the page that says that there is nothing
    complaints.told = [line for line in complaints.told if line not in expected]
    assert told == []


def too_wide(page: Page, visit: str) -> list[str]:
    wide, window = page.evaluate("[document.documentElement.scrollWidth, window.innerWidth]")
    return [f"{visit} is {wide} px wide where the window is {window}"] if wide > window else []
