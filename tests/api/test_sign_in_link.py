"""Signing in by a link that works once."""

from datetime import timedelta
from functools import partial
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.db.models.functions import Now
from django.test import Client

from agentops.accounts.models import SignInLink, User
from agentops.accounts.services.create_sign_in_link import create_sign_in_link
from agentops.accounts.services.use_sign_in_link import use_sign_in_link
from tests.personas import World
from tests.races import at_once

pytestmark = pytest.mark.django_db


def is_signed_in(client: Client) -> bool:
    return "_auth_user_id" in client.session


def test_looking_at_the_link_does_not_use_it_up(world: World) -> None:
    client, path = Client(), create_sign_in_link(user=world.ada)
    for _ in range(3):
        page = client.get(path)
        assert page.status_code == 200
        assert b'<form method="post"' in page.content
    assert not is_signed_in(client)
    assert SignInLink.objects.get().used_at is None


def test_the_button_signs_in_once(world: World) -> None:
    client, path = Client(), create_sign_in_link(user=world.ada)
    answer = client.post(path)
    assert (answer.status_code, answer["Location"]) == (302, "/")
    assert client.session["_auth_user_id"] == str(world.ada.pk)
    second = Client()
    refused = second.post(path)
    assert refused.status_code == 410
    assert b"manage.py sign_in_link" in refused.content
    assert not is_signed_in(second)


def test_the_button_needs_the_csrf_token(world: World) -> None:
    client, path = Client(enforce_csrf_checks=True), create_sign_in_link(user=world.ada)
    assert client.post(path).status_code == 403
    assert SignInLink.objects.get().used_at is None


def test_an_old_link_is_refused(world: World) -> None:
    path = create_sign_in_link(user=world.ada)
    SignInLink.objects.update(expires_at=Now() - timedelta(seconds=1))
    assert Client().post(path).status_code == 410


def test_a_link_dies_with_its_account(world: World) -> None:
    path = create_sign_in_link(user=world.ada)
    User.objects.update(is_active=False)
    assert Client().post(path).status_code == 410


def test_the_secret_is_not_in_the_database(world: World) -> None:
    secret = create_sign_in_link(user=world.ada).rsplit("/", 1)[1]
    with connection.cursor() as cursor:
        cursor.execute("SELECT t::text FROM accounts_signinlink AS t")
        assert secret not in cursor.fetchone()[0]


def test_the_command_prints_a_path_that_works(world: World) -> None:
    out = StringIO()
    call_command("sign_in_link", "ada@example.org", stdout=out)
    assert Client().post(out.getvalue().strip()).status_code == 302
    with pytest.raises(CommandError, match="ada"):
        call_command("sign_in_link", "nobody")


@pytest.mark.django_db(transaction=True)
def test_of_many_that_press_at_once_one_gets_in(world: World) -> None:
    """Seen to fail while the UPDATE had its conditions in a subquery."""
    for _ in range(10):
        secret = create_sign_in_link(user=world.ada).rsplit("/", 1)[1]
        found = at_once(partial(use_sign_in_link, secret=secret))
        assert found.count(None) == len(found) - 1
