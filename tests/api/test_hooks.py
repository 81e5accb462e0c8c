"""Webhooks: who signs may tell, once; whoever does not is told so and changes nothing."""

import base64
import hmac
import json
import time
from typing import Any

import pytest
from django.test import Client

from agentops.common.standard_webhooks import headers_of, key_of_text
from runs.models import Event, Run, Source, TriggerStart
from runs.services.create_source import create_source
from runs.services.create_trigger import create_trigger
from runs.services.publish_event import match_event, publish_event
from tests import ledger
from tests.personas import World, actor
from tests.runs import drive, output

pytestmark = pytest.mark.django_db
JSON = "application/json"


@pytest.fixture
def key(world: World) -> bytes:
    ledger.create()
    _, secret = create_source(
        actor=actor(world.ada), slug="shop", kind="webhook", settings={"key_pointer": "/data/invoice"}
    )
    return key_of_text(secret)


BODY = json.dumps({"type": "paid", "data": {"invoice": "A-1"}}).encode()


def signed(key: bytes, body: bytes = BODY, *, at: int | None = None, delivery: str = "d-1") -> dict[str, str]:
    return headers_of(delivery, int(time.time()) if at is None else at, body, [key])


def deliver(headers: dict[str, str], body: bytes = BODY, slug: str = "shop", **more: Any) -> Any:
    more.setdefault("content_type", JSON)
    return Client(raise_request_exception=False).post(f"/hooks/{slug}", body, headers=headers, **more)


def test_a_signed_delivery_is_an_event_once(key: bytes) -> None:
    first, again = deliver(signed(key)), deliver(signed(key))
    assert (first.status_code, again.status_code) == (202, 200)
    assert first.json()["id"] == again.json()["id"]
    event = Event.objects.get()
    assert (event.name, event.key, event.source, event.delivery_id) == (
        "shop.paid",
        "A-1",
        "hook:shop",
        "d-1",
    )
    assert Source.objects.get().n_events == 1


def forged(key: bytes) -> dict[str, str]:
    return signed(b"x" * 32)


def old(key: bytes) -> dict[str, str]:
    return signed(key, at=int(time.time()) - 301)


def ahead(key: bytes) -> dict[str, str]:
    return signed(key, at=int(time.time()) + 301)


def altered(key: bytes) -> dict[str, str]:
    return signed(key, BODY + b" ")


def with_signature(text: str) -> Any:
    return lambda key: signed(key) | {"webhook-signature": text}


def without(name: str) -> Any:
    return lambda key: {kept: value for kept, value in signed(key).items() if kept != name}


def at_time(text: str) -> Any:
    return lambda key: signed(key) | {"webhook-timestamp": text}


@pytest.mark.parametrize(
    "make",
    [
        forged, old, ahead, altered, with_signature(""), with_signature("v1,"), with_signature("v1,!!!"), with_signature("v2,AAAA"),
        with_signature("v1,ÄÖÜ"), with_signature("v1," + "A" * 100_000), with_signature(" ".join(["v1,AAAA"] * 1000)),
        without("webhook-id"), without("webhook-timestamp"), without("webhook-signature"), at_time("soon"), at_time("-1"),
        at_time("9" * 40), at_time("١٢٣"), at_time("1e9"),
    ],
)  # fmt: skip
def test_what_is_not_signed_now_by_the_sender_is_refused_and_changes_nothing(key: bytes, make: Any) -> None:
    answer = deliver(make(key))
    assert answer.status_code == 401
    assert answer.json()["code"] == "not_authenticated"
    assert Event.objects.count() == 0
    assert Source.objects.get().n_refused == 1


def test_the_same_json_written_otherwise_is_another_message(key: bytes) -> None:
    again = json.dumps(json.loads(BODY), indent=1).encode()
    assert deliver(signed(key), again).status_code == 401


@pytest.mark.parametrize("body", [b"", b"[]", b'"x"', b"{", b'{"a": ' * 10_000, b"\xff\xfe", b"null"])
def test_a_signed_body_that_is_no_object_is_a_bad_request(key: bytes, body: bytes) -> None:
    assert deliver(signed(key, body), body).status_code == 400


def test_a_body_of_five_megabytes_is_refused_before_it_is_read(key: bytes) -> None:
    body = b'{"type": "' + b"x" * (5 << 20) + b'"}'
    assert deliver(signed(key, body), body).status_code == 413


def test_one_of_several_signatures_is_enough_and_another_media_type_is_not(key: bytes) -> None:
    headers = signed(key)
    headers["webhook-signature"] = "v1,AAAA " + headers["webhook-signature"]
    assert deliver(headers).status_code == 202
    assert deliver(signed(key, delivery="d-2"), content_type="text/plain").status_code == 415


def test_nobody_is_there_or_it_is_paused(key: bytes) -> None:
    assert deliver(signed(key), slug="nobody").status_code == 404
    Source.objects.update(is_paused=True)
    assert deliver(signed(key)).status_code == 404
    assert Client().get("/hooks/shop").status_code == 405


def test_the_secret_stands_nowhere_in_the_clear(key: bytes) -> None:
    stored = bytes(Source.objects.get().secret or b"")
    assert key not in stored
    assert base64.b64encode(key) not in stored


def test_github_signs_in_its_own_way(world: World) -> None:
    _, secret = create_source(actor=actor(world.ada), slug="code", kind="github", secret="")
    body = json.dumps({"repository": {"full_name": "a/b"}, "ref": "main"}).encode()
    headers = {
        "X-GitHub-Delivery": "g-1", "X-GitHub-Event": "push",
        "X-Hub-Signature-256": "sha256=" + hmac.digest(secret.encode(), body, "sha256").hex(),
    }  # fmt: skip
    assert deliver(headers, body, "code").status_code == 202
    assert deliver(headers, body, "code").status_code == 200
    assert deliver(headers | {"X-Hub-Signature-256": "sha256=äö"}, body, "code").status_code == 401
    event = Event.objects.get()
    assert (event.name, event.key) == ("code.push", "a/b")


def test_an_event_starts_a_run_once_however_often_it_is_looked_at(world: World, key: bytes) -> None:
    template = {
        "tool": "test.echo",
        "args": {"value": {"invoice": {"$": "/payload/data/invoice"}, "from": {"$": "/name"}}},
    }
    create_trigger(
        actor=actor(world.ada), agent="test-calls", event_name="shop.paid", input_template=template
    )
    deliver(signed(key))
    match_event(Event.objects.get().pk)
    run = Run.objects.get()
    assert output(drive(run)) == {"result": {"invoice": "A-1", "from": "shop.paid"}}
    assert TriggerStart.objects.get().run_id == run.pk


def test_an_input_that_does_not_fit_is_recorded_with_its_reason(world: World) -> None:
    trigger = create_trigger(actor=actor(world.ada), agent="test-steps", event_name="tick")
    publish_event(actor=actor(world.ada), name="tick", payload=["no object"])
    start = TriggerStart.objects.get(trigger=trigger)
    assert start.run_id is None
    assert "does not fit" in start.problem


def test_only_events_that_fit_start_something(world: World) -> None:
    create_trigger(actor=actor(world.ada), agent="test-steps", event_name="tick", key="k", match={"n": 2})
    for name, event_key, payload in (
        ("tock", "k", {"n": 2}),
        ("tick", "", {"n": 2}),
        ("tick", "k", {"n": 1}),
        ("tick", "k", {"n": 2}),
    ):
        publish_event(actor=actor(world.ada), name=name, key=event_key, payload=payload)
    assert Run.objects.count() == 1
