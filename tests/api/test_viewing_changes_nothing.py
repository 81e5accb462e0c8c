"""Looking at things never changes them: every GET works for a database role that may only read."""

from collections.abc import Callable

import pytest
from django.db import ProgrammingError, connection
from django.db.transaction import set_rollback
from django.test import Client

from agentops.accounts.models import User
from agentops.common.transactions import transaction
from tests.belongings import Belongings
from tests.personas import World

pytestmark = pytest.mark.django_db

# Sessions and signing in write, and a stream of events does not end.
EXCEPTED = ("/accounts/", "/sign-in/", "/readyz", "/admin")


def statuses(client: Client, addresses: list[str]) -> dict[str, int]:
    """Return the status of each page, asked for in a savepoint that is rolled back."""
    found = {}
    for address in addresses:
        with transaction():
            found[address] = client.get(address).status_code
            set_rollback(True)
    return found


def test_every_page_and_every_get_works_under_a_role_that_may_only_read(
    world: World, theirs: Belongings, client_for: Callable[[User], Client]
) -> None:
    client = client_for(world.ada)
    client.raise_request_exception = False
    addresses = [
        address
        for address in theirs.addresses()
        if not address.startswith(EXCEPTED) and not address.endswith("/stream")
    ]
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute(
            "REVOKE INSERT, UPDATE, DELETE, TRUNCATE ON ALL TABLES IN SCHEMA public FROM CURRENT_USER"
        )
        cursor.execute("GRANT INSERT, UPDATE, DELETE ON django_session TO CURRENT_USER")
        with pytest.raises(ProgrammingError, match="permission denied"), transaction():  # the control
            cursor.execute("UPDATE runs_run SET title = ''")
    found = statuses(client, addresses)
    assert {address: status for address, status in found.items() if status >= 500} == {}
    assert sum(status == 200 for status in found.values()) > 60
