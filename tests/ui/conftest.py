"""A team with an agent, and a browser in which its admin is signed in."""

from collections.abc import Callable

import pytest
from bs4 import BeautifulSoup
from django.test import Client

from agentops.accounts.models import Team
from agentops.accounts.roles import Role
from runs.models import AgentVersion
from tests.ui import builders

See = Callable[..., BeautifulSoup]


@pytest.fixture
def team(db: None) -> Team:
    return builders.a_team()


@pytest.fixture
def version(team: Team) -> AgentVersion:
    """An agent whose code is `test-steps`, so that runs of it can be started."""
    return builders.an_agent(team, program="test-steps")


@pytest.fixture
def browser_of(team: Team) -> Callable[[Role], Client]:
    def signed_in(role: Role) -> Client:
        client = Client()
        client.force_login(builders.a_person(team, role.value, role))
        return client

    return signed_in


@pytest.fixture
def ada(team: Team) -> Client:
    client = Client()
    client.force_login(builders.a_person(team))
    return client


@pytest.fixture
def see(ada: Client) -> See:
    """Return the page at an address as Ada sees it; with `target`, the region that htmx asks for."""

    def get(address: str, *, target: str = "", status: int = 200) -> BeautifulSoup:
        headers = {"HX-Request": "true", "HX-Target": target} if target else {}
        response = ada.get(address, headers=headers)
        assert response.status_code == status, response.content[:500]
        return BeautifulSoup(response.content, "html.parser")

    return get
