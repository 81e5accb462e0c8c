"""Who gets in with which token."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.db.models.functions import Now
from django.test import Client

from agentops.accounts.models import ApiToken, Membership
from agentops.accounts.roles import Role
from agentops.accounts.services.create_token import create_token
from agentops.accounts.services.revoke_token import revoke_token
from agentops.common.errors import InvalidInputError, NotFoundError
from tests.personas import World, actor, token

pytestmark = pytest.mark.django_db

RUNS = "/api/v1/runs"


def bearer(secret: str) -> Client:
    return Client(headers={"authorization": f"Bearer {secret}"})


def status(secret: str) -> int:
    return bearer(secret).get(RUNS).status_code


def test_only_the_hash_of_a_token_is_stored(world: World) -> None:
    secret = token(world.ada, world.analytical)
    assert secret.startswith("ao_")
    assert len(secret) > 40
    with connection.cursor() as cursor:
        cursor.execute("SELECT t::text FROM accounts_apitoken AS t")
        assert secret not in cursor.fetchone()[0]
    assert status(secret) == 200


@pytest.mark.parametrize("secret", ["", "ao_wrong", "x" * 10_000, "ao_\u00e9", "a b c"])
def test_a_wrong_token_is_401_even_beside_a_good_session(world: World, client_for: Any, secret: str) -> None:
    answer = client_for(world.ada).get(RUNS, headers={"authorization": f"Bearer {secret}"})
    assert (answer.status_code, answer.json()["code"]) == (401, "not_authenticated")
    assert answer["WWW-Authenticate"] == 'Bearer realm="agentops", error="invalid_token"'


def test_nothing_at_all_is_401_and_says_how(world: World) -> None:
    answer = Client().get(RUNS)
    assert (answer.status_code, answer["WWW-Authenticate"]) == (401, 'Bearer realm="agentops"')
    assert answer["Content-Type"] == "application/problem+json"
    assert Client().post(RUNS, {}, content_type="application/json").status_code == 401


def test_a_revoked_token_stops_working(world: World) -> None:
    secret = token(world.ada, world.analytical)
    revoke_token(actor=actor(world.ada), token_id=ApiToken.objects.get().id)
    assert status(secret) == 401
    with pytest.raises(NotFoundError):
        revoke_token(actor=actor(world.ada), token_id=ApiToken.objects.get().id)


def test_only_admins_revoke_what_others_made(world: World) -> None:
    token(world.ada, world.analytical)
    found = ApiToken.objects.get()
    for someone in (actor(world.bea), actor(world.cyd)):
        with pytest.raises(NotFoundError):
            revoke_token(actor=someone, token_id=found.id)


def test_an_expired_token_stops_working(world: World) -> None:
    secret = token(world.ada, world.analytical, valid_seconds=60)
    assert status(secret) == 200
    ApiToken.objects.update(expires_at=Now() - timedelta(seconds=1))
    assert status(secret) == 401


def test_a_token_dies_with_its_owners_membership(world: World) -> None:
    secret = token(world.ada, world.analytical)
    Membership.objects.filter(user=world.ada).delete()
    assert status(secret) == 401


def test_a_token_dies_with_its_owners_account(world: World) -> None:
    secret = token(world.ada, world.analytical)
    world.ada.is_active = False
    world.ada.save()
    assert status(secret) == 401


def test_a_token_never_does_more_than_its_owners_role_now(world: World) -> None:
    client = bearer(token(world.ada, world.analytical))
    body = {"agent": "test-steps", "input": {"n": 1}}
    assert client.post(RUNS, body, content_type="application/json").status_code == 202
    Membership.objects.filter(user=world.ada).update(role=Role.VIEWER.value)
    assert client.post(RUNS, body, content_type="application/json").status_code == 403
    assert client.get(RUNS).status_code == 200


def test_a_token_takes_the_role_of_its_own_team(world: World) -> None:
    """Cyd may run in Brook and only look in Analytical: each token has the rights of its team."""
    body = {"agent": "test-steps", "input": {"n": 1}}
    for team, expected in ((world.analytical, 403), (world.brook, 202)):
        client = bearer(token(world.cyd, team))
        ApiToken.objects.update(scopes=["read", "run", "review", "admin"])
        assert client.post(RUNS, body, content_type="application/json").status_code == expected


def test_scopes_beyond_the_role_cannot_be_given(world: World) -> None:
    membership = Membership.objects.get(user=world.cyd, team=world.analytical)
    for scopes in (["run"], ["read", "admin"], ["nonsense"], []):
        with pytest.raises(InvalidInputError):
            create_token(membership=membership, name="x", scopes=scopes)


def test_the_last_use_is_written_at_most_once_a_minute(world: World) -> None:
    secret = token(world.ada, world.analytical)
    status(secret)
    first = ApiToken.objects.get().last_used_at
    assert first
    status(secret)
    assert ApiToken.objects.get().last_used_at == first
    ApiToken.objects.update(last_used_at=first - timedelta(seconds=61))
    status(secret)
    assert ApiToken.objects.get().last_used_at != first - timedelta(seconds=61)
