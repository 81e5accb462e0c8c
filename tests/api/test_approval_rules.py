"""Rules over the API."""

import pytest
from django.test import Client

from tests.personas import World, token

pytestmark = pytest.mark.django_db
RULES = "/api/v1/policies/approval-rules"


def test_a_rule_is_written_tried_changed_and_removed(world: World) -> None:
    admin = Client(headers={"authorization": f"Bearer {token(world.ada, world.analytical)}"})
    stages = [{"excludes_initiator": False}]
    body = {"name": "SQL", "verdict": "ask", "when": {"sql_verbs": ["DELETE"]}, "stages": stages}
    made = admin.post(RULES, body, content_type="application/json")
    assert made.status_code == 201, made.json()
    call = {"tool": "db.execute", "args": {"sql": "DELETE FROM t"}}
    tried = admin.post(f"{RULES}/preview", call, content_type="application/json").json()
    assert (tried["verdict"], tried["rule"], tried["sql_verbs"]) == ("ask", "SQL", ["DELETE"])
    one = f"{RULES}/{made.json()['id']}"
    assert (
        admin.patch(one, {"version": 1, "verdict": "deny"}, content_type="application/json").json()["version"]
        == 2
    )
    assert (
        admin.patch(one, {"version": 1, "verdict": "ask"}, content_type="application/json").status_code == 409
    )
    assert admin.post(f"{RULES}/preview", call, content_type="application/json").json()["verdict"] == "deny"
    assert admin.delete(one).status_code == 204
    assert admin.get(RULES).json()["items"] == []


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"when": {"tool": ["x"]}}, "/when/tool"),
        ({"when": {"args": [{"pointer": "amount", "op": ">"}]}}, "/when/args/0/pointer"),
        ({"when": {"effects": ["explode"]}}, "/when/effects/0"),
        ({"stages": [{"quantifier": "k_of_n", "k": 9}]}, "/stages/0"),
        ({"stages": [{"queue": "nowhere"}]}, "/stages/0/queue"),
        ({"stages": [{"people": 3}]}, "/stages/0"),
        ({"name": ""}, "/name"),
    ],
)
def test_what_does_not_fit_is_pointed_at(world: World, change: dict[str, object], pointer: str) -> None:
    admin = Client(headers={"authorization": f"Bearer {token(world.ada, world.analytical)}"})
    body = {"name": "r", "verdict": "ask", "when": {}, "stages": [{"excludes_initiator": False}]} | change
    refused = admin.post(RULES, body, content_type="application/json")
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["pointer"] == pointer
