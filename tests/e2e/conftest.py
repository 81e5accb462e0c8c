"""A real server, a real browser, and Ada, who is signed in."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from agentops.accounts.models import Team, User
from runs.models import AgentVersion
from tests.e2e.browser import ARGS, Complaints, chromium
from tests.e2e.server import WebServer
from tests.e2e.sessions import session_of
from tests.ui import builders

# Playwright's synchronous API keeps an event loop in this thread, which Django would take for asynchronous code.
os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
expect.set_options(timeout=15_000)  # a busy machine is not a failing page


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.browser)


@pytest.fixture(autouse=True, scope="session")
def _needs_a_browser() -> None:
    if chromium() is None:
        reason = "no Chromium found (apt-get install chromium, or name one in CHROMIUM)"
        if os.environ.get("REQUIRE_BROWSER") == "1":
            pytest.fail(reason)
        pytest.skip(reason)


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict[str, Any]) -> dict[str, Any]:
    return {**browser_type_launch_args, "executable_path": chromium(), "args": list(ARGS)}


@pytest.fixture(scope="session")
def server(django_db_setup: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebServer]:
    with WebServer(tmp_path_factory.mktemp("web") / "server.log") as running:
        yield running


@pytest.fixture
def team(transactional_db: None) -> Team:
    return builders.a_team()


@pytest.fixture
def version(team: Team) -> AgentVersion:
    builders.living_system()
    return builders.an_agent(team, program="test-steps")


@pytest.fixture
def ada(team: Team) -> User:
    return builders.a_person(team)


@pytest.fixture
def session_key(ada: User) -> str:
    """Return a session in which Ada is signed in."""
    return session_of(ada)


@pytest.fixture
def complaints() -> Iterator[Complaints]:
    """Fails the test when a page complained of anything."""
    found = Complaints()
    yield found
    assert found.told == []


@pytest.fixture
def desk(browser: Browser, server: WebServer, session_key: str, complaints: Complaints) -> Iterator[Page]:
    """A browser window of 1440 × 900 in which Ada is signed in."""
    context = browser.new_context(base_url=server.url, viewport={"width": 1440, "height": 900})
    context.add_cookies([{"name": "sessionid", "value": session_key, "url": server.url}])
    yield complaints.watch(context.new_page())
    context.close()
