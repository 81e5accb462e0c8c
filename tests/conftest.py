"""Fixtures that every kind of test may use."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client, TransactionTestCase
from hypothesis import HealthCheck, settings

from agentops.accounts.models import Team, User
from tests import personas
from tests.emptying import empty_after, let_it_be_emptied
from tests.personas import World

# Hypothesis fails an example that takes 200 ms, which any does on a machine that is busy enough.
settings.register_profile("agentops", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("agentops")


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: Any) -> None:
    """Let the tests empty their database after themselves: the audit keeps its entries from TRUNCATE as well."""
    TransactionTestCase._fixture_teardown = empty_after  # type: ignore[attr-defined]  # private, and not in its stubs
    with django_db_blocker.unblock():
        let_it_be_emptied()


@pytest.fixture
def world(db: None) -> World:
    """Two teams, three people, and the test programs as agents of both teams."""
    return personas.build_world()


@pytest.fixture
def client_for() -> Callable[[User], Client]:
    """Return a browser in which the person is signed in."""

    def sign_in(user: User) -> Client:
        client = Client()
        client.force_login(user)
        return client

    return sign_in


@pytest.fixture
def api() -> Callable[..., Client]:
    """Return a client that sends a token of the person for the team with each call."""

    def with_token(user: User, team: Team, **options: Any) -> Client:
        secret = personas.token(user, team, **options)
        return Client(headers={"authorization": f"Bearer {secret}"})

    return with_token
