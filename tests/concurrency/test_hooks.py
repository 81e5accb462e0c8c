"""A delivery that comes a hundred times at once, and hostile ones among it: a run that waits is woken once, or not at all."""

import json
import time
from collections import Counter
from itertools import chain
from typing import Any

import pytest
from django.test import Client

from agentops.common.standard_webhooks import headers_of, key_of_text
from runs.models import Event, Source
from runs.services.create_source import create_source
from tests import ledger
from tests.concurrency.test_waits import ada, times_woken, waiting
from tests.races import at_once
from tests.runs import drive

pytestmark = pytest.mark.django_db(transaction=True)

THREADS, EACH = 5, 20
BODY = json.dumps({"type": "paid", "invoice": "A-1"}).encode()
WAITED_FOR = {"kind": "event", "name": "shop.paid", "key": "A-1"}


@pytest.fixture
def key() -> bytes:
    ledger.create()
    _, secret = create_source(actor=ada(), slug="shop", kind="webhook", settings={"key_pointer": "/invoice"})
    return key_of_text(secret)


def deliver(
    key: bytes,
    body: bytes = BODY,
    *,
    at: int | None = None,
    sent: bytes | None = None,
    signature: str | None = None,
) -> int:
    headers: dict[str, Any] = headers_of("d-1", int(time.time()) if at is None else at, body, [key])
    if signature is not None:
        headers["webhook-signature"] = signature
    client = Client(raise_request_exception=False)
    answer = client.post("/hooks/shop", sent or body, content_type="application/json", headers=headers)
    return answer.status_code


def test_a_delivery_that_comes_a_hundred_times_at_once_wakes_its_run_once(key: bytes) -> None:
    run = waiting(WAITED_FOR)
    answers = at_once(lambda: [deliver(key) for _ in range(EACH)], times=THREADS)
    assert Counter(chain.from_iterable(answers)) == {202: 1, 200: THREADS * EACH - 1}
    assert Event.objects.count() == Source.objects.get().n_events == 1
    assert drive(run).status == "succeeded"
    assert times_woken(run) == 1


def test_hostile_deliveries_wake_nobody_and_hold_up_no_honest_one(key: bytes) -> None:
    run = waiting(WAITED_FOR)
    now = int(time.time())
    rewritten = json.dumps(json.loads(BODY), indent=2).encode()
    huge = b'{"type": "paid", "invoice": "A-1", "x": "' + b"x" * (5 << 20) + b'"}'

    def attack() -> list[int]:
        return [
            deliver(b"f" * 32), deliver(key, sent=BODY.replace(b"A-1", b"A-2")), deliver(key, sent=rewritten),
            deliver(key, at=now - 320), deliver(key, at=now + 320), deliver(key, huge),
            *(deliver(key, signature=bad) for bad in ("", "v1", "v1,", "v1,%%%", "v1,é", "v1a,AAAA", "\t", "v1," + "=" * 5000)),
        ]  # fmt: skip

    answers = Counter(chain.from_iterable(at_once(attack, times=3)))
    assert answers == {401: 3 * 13, 413: 3}
    run.refresh_from_db()
    assert (run.status, Event.objects.count()) == ("waiting", 0)
    assert Source.objects.get().n_refused == 3 * 13
    assert deliver(key) == 202
    assert drive(run).status == "succeeded"
    assert times_woken(run) == 1


def test_control_without_the_row_of_the_delivery_it_is_taken_again_and_again(
    key: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The number of a delivery is left out, as if each were another one."""
    monkeypatch.setattr("runs.services.receive_hook._checked", lambda *_: ("", ""))
    assert Counter(deliver(key) for _ in range(3)) == {202: 3}
    assert Event.objects.count() == 3
