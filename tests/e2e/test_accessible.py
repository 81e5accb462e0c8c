"""Every page is clean by axe's rules, in light and dark, on a desk and on a phone, and never wider than its window."""

from typing import Any

import pytest
from axe_core_python.sync_playwright import Axe
from playwright.sync_api import Browser

from runs.models import AgentVersion
from tests.e2e.browser import Complaints
from tests.e2e.screens import PAGES, Visit, the_runs
from tests.e2e.server import WebServer

pytestmark = pytest.mark.django_db(transaction=True)

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
@pytest.mark.parametrize("width", [1440, 390])
def test_all_pages(
    browser: Browser, server: WebServer, version: AgentVersion, session_key: str, complaints: Complaints, width: int,
    part: int,
) -> None:  # fmt: skip
    runs = the_runs(version)
    context = browser.new_context(
        base_url=server.url, color_scheme="light", viewport={"width": width, "height": 900}
    )
    context.add_cookies([{"name": "sessionid", "value": session_key, "url": server.url}])
    page = complaints.watch(context.new_page())
    axe, told = Axe(), []
    for visit in list(PAGES)[part::PARTS]:
        Visit(page, runs).go(visit)
        rules = {} if width > 400 else ON_A_PHONE
        told += [f"{visit} ({width}): {line}" for line in violations(axe.run(page, options=rules))]
        if width > 400:  # colours are the same on a phone
            page.emulate_media(color_scheme="dark")  # which changes nothing but colours
            told += [f"{visit} (dark): {line}" for line in violations(axe.run(page, options=ONLY_CONTRAST))]
            page.emulate_media(color_scheme="light")
        wide = page.evaluate("document.documentElement.scrollWidth")
        told += [f"{visit} is {wide} px wide"] if wide > width else []
    context.close()
    expected = [line for line in complaints.told if "404 (Not Found)" in line]
    assert len(expected) <= 1  # the page that says that there is nothing
    complaints.told = [line for line in complaints.told if line not in expected]
    assert told == []
