"""Providers of language models over the API: made, changed, tested, and their keys told to nobody."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.test import Client

from agentops.demo.rehearsal.server import RehearsalModel
from runs.llm.book import endpoint_of
from runs.models import Provider
from tests.personas import World
from tests.rehearsal import KEY, rehearsal_model

pytestmark = pytest.mark.django_db
PATH = "/api/v1/providers"


@pytest.fixture
def server() -> Iterator[RehearsalModel]:
    with rehearsal_model() as found:
        yield found


@pytest.fixture
def ada(world: World, api: Callable[..., Client]) -> Client:
    return api(world.ada, world.analytical)


def make(client: Client, **more: Any) -> Any:
    body = {"slug": "own", "kind": "compatible", "base_url": "http://127.0.0.1:9/v1", "key": KEY, **more}
    return client.post(PATH, body, content_type="application/json")


def test_a_provider_is_made_listed_changed_and_deleted_and_its_key_is_never_told(ada: Client) -> None:
    made = make(ada, models=[{"name": "one", "rpm": 60}, {"name": "two"}])
    assert made.status_code == 201, made.content
    assert (made.json()["has_key"], made.json()["is_default"]) == (True, True)
    listed = ada.get(PATH)
    changed = ada.patch(
        f"{PATH}/own",
        {"models": [{"name": "two"}]},
        content_type="application/json",
        headers={"If-Match": made["ETag"]},
    )
    assert [model["name"] for model in changed.json()["models"]] == ["two"]
    late = ada.patch(
        f"{PATH}/own", {"paused": True}, content_type="application/json", headers={"If-Match": made["ETag"]}
    )
    assert late.status_code == 412
    for answer in (made, listed, changed, late):
        assert KEY.encode() not in answer.content
    assert ada.delete(f"{PATH}/own").status_code == 204
    assert ada.get(f"{PATH}/own").status_code == 404


def test_the_key_is_sealed_in_its_row_and_does_not_open_in_another(ada: Client) -> None:
    make(ada)
    make(ada, slug="other", key="sk-other")
    own, other = Provider.objects.get(slug="own"), Provider.objects.get(slug="other")
    assert KEY.encode() not in bytes(own.secret or b"")
    assert endpoint_of(own).key == KEY
    assert KEY not in repr(endpoint_of(own))
    other.secret = own.secret
    with pytest.raises(Exception, match="does not open"):
        endpoint_of(other)


def test_another_address_needs_the_key_again(ada: Client) -> None:
    make(ada)
    body: dict[str, Any] = {"base_url": "https://elsewhere.example/v1"}
    refused = ada.patch(f"{PATH}/own", body, content_type="application/json")
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["pointer"] == "/key"
    assert (
        ada.patch(f"{PATH}/own", body | {"key": "sk-new"}, content_type="application/json").status_code == 200
    )


@pytest.mark.parametrize(
    ("field", "value", "pointer"),
    [
        ("slug", "No Good", "/slug"),
        ("base_url", "http://api.example.com/v1", "/base_url"),
        ("base_url", "https://user:pw@api.example.com/v1", "/base_url"),
        ("base_url", "file:///etc/passwd", "/base_url"),
        ("key", "two\nlines", "/key"),
        ("timeout_seconds", 0, "/timeout_seconds"),
        ("models", [{"name": "a"}, {"name": "a"}], "/models"),
        ("models", [{"name": "a", "rpm": -1}], "/models/0/rpm"),
        ("models", [{"name": "a", "price": 1}], "/models/0/price"),
    ],
)
def test_what_does_not_fit_is_refused_where_it_stands(
    ada: Client, field: str, value: Any, pointer: str
) -> None:
    answer = make(ada, **{field: value})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == pointer


def test_the_connection_is_tested_with_the_key(ada: Client, server: RehearsalModel) -> None:
    make(ada, base_url=server.url, models=[{"name": "rehearsal"}])
    well = ada.post(f"{PATH}/own/check", {}, content_type="application/json").json()
    assert (well["is_well"], well["models"]) == (True, ["rehearsal", "rehearsal-backup"])
    make(ada, slug="wrong", base_url=server.url, key="wrong-canary-key")
    ill = ada.post(f"{PATH}/wrong/check", {}, content_type="application/json").json()
    assert not ill["is_well"]
    assert "Incorrect API key" in ill["message"]
    assert "wrong-canary-key" not in ill["message"]
    make(ada, slug="nobody")
    assert not ada.post(f"{PATH}/nobody/check", {}, content_type="application/json").json()["is_well"]


def test_only_admins_make_providers_and_of_their_team_only(
    world: World, api: Callable[..., Client], ada: Client
) -> None:
    make(ada)
    reader = api(world.ada, world.analytical, scopes=("read",))
    assert make(reader, slug="mine").status_code == 403
    assert reader.get(PATH).status_code == 200
    stranger = api(world.bea, world.brook)
    assert stranger.get(f"{PATH}/own").status_code == 404
    assert stranger.get(PATH).json()["items"] == []
