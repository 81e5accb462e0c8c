"""People are told of things once each, by mail, Slack, signed webhook and in the app, whatever breaks on the way."""

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentops.accounts.models import User
from agentops.common.errors import ConflictError, InvalidInputError, NotAllowedError, NotFoundError
from agentops.common.standard_webhooks import is_signed
from agentops.common.transactions import transaction
from agentops.notify.models import Delivery, DeliveryAttempt, Notice
from agentops.notify.selectors import bell_for, deliveries_for, n_unread
from agentops.notify.services.endpoints import create_endpoint, delete_endpoint, switch_endpoint
from agentops.notify.services.find_causes import find_causes
from agentops.notify.services.mark_read import mark_read, send_again
from agentops.notify.services.notify import Message, notify
from agentops.notify.services.preferences import set_preference
from agentops.notify.services.send_delivery import (
    MAX_ATTEMPTS,
    note_delivery,
    send_delivery,
    take_delivery,
)
from agentops.notify.services.send_due import send_due
from agentops.notify.topics import Quiet, Topic, send_at
from runs.journal.fence import execute
from runs.models import Run, StuckState
from runs.services.callback_keys import signing_keys
from tests.mailbox import Mailbox, a_mailbox
from tests.personas import World, actor
from tests.races import at_once
from tests.receiver import Receiver, a_receiver
from tests.runs import a_run, drive

pytestmark = pytest.mark.django_db


@pytest.fixture
def mailbox(settings: Any) -> Iterator[Mailbox]:
    settings.PUBLIC_URL = "https://agents.example"
    with a_mailbox(settings) as mailbox:
        yield mailbox


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    with a_receiver(monkeypatch) as receiver:
        yield receiver


def tell(world: World, key: str = "k", **more: Any) -> UUID | None:
    said = {
        "topic": Topic.SLA,
        "title": "Ärger\r\nBcc: all@example.org",
        "text": "See it.",
        "path": "/approvals/1",
    }
    with transaction():
        return notify(team_id=world.analytical.pk, message=Message(key=key, **(said | more)))


def deliver() -> int:
    n = 0
    while taken := take_delivery():
        note_delivery(taken, send_delivery(taken))
        n += 1
    return n


def make_due() -> None:
    execute(
        "UPDATE notify_delivery SET due_at = clock_timestamp() - interval '1 s' WHERE state <> 'delivered'",
        {},
    )


def to_ada(mailbox: Mailbox) -> list[Any]:
    return [mail for mail in mailbox.mails if mail["To"] == "ada@example.org"]


def test_a_mail_says_what_happened_and_where_to_look_and_decides_nothing(
    world: World, mailbox: Mailbox
) -> None:
    assert tell(world)
    assert deliver() == 2
    [mail] = to_ada(mailbox)
    assert mail["Subject"] == "[Analytical] Ärger Bcc: all@example.org"
    assert mail["Bcc"] is None
    assert "https://agents.example/approvals/1" in mail.get_content()
    delivery = Delivery.objects.get(user=world.ada, channel="mail")
    assert (delivery.state, mail["Message-ID"]) == ("delivered", f"<{delivery.pk}@agentops>")


def test_the_same_key_is_told_once_and_nobody_of_another_team_is_told(world: World, mailbox: Mailbox) -> None:
    assert tell(world)
    assert tell(world) is None
    assert deliver() == 2
    assert {mail["To"] for mail in mailbox.mails} == {"ada@example.org", "cyd@example.org"}
    assert n_unread(actor(world.bea)) == 0
    assert n_unread(actor(world.ada)) == 1


def test_a_cause_that_is_rolled_back_tells_nobody(world: World) -> None:
    def broken_off() -> None:
        with transaction():
            notify(team_id=world.analytical.pk, message=Message(Topic.SLA, "k", "x"))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        broken_off()
    assert not Notice.objects.exists()
    assert deliver() == 0


def test_a_webhook_is_signed_and_its_id_is_the_deliverys(world: World, receiver: Receiver) -> None:
    create_endpoint(actor=actor(world.ada), name="ops", kind="webhook", url=receiver.url, topics=["sla"])
    tell(world, topic=Topic.SLA)
    tell(world, "other", topic=Topic.STUCK)
    deliver_to(receiver)
    [message] = receiver.messages
    [key] = signing_keys(world.analytical.pk)
    assert is_signed(message.headers, message.body, key)
    assert message.headers["webhook-id"] == str(Delivery.objects.get(channel="webhook").pk)
    body = json.loads(message.body)
    assert (body["type"], body["notice"]["path"]) == ("notice.sla", "/approvals/1")


def deliver_to(receiver: Receiver) -> None:
    execute("UPDATE notify_delivery SET state = 'given_up' WHERE channel = 'mail'", {})
    deliver()


def test_slack_gets_a_text_with_a_link(world: World, receiver: Receiver, settings: Any) -> None:
    settings.PUBLIC_URL = "https://agents.example"
    create_endpoint(
        actor=actor(world.ada), name="chat", kind="slack", url=receiver.url, topics=["sla", "stuck"]
    )
    tell(world)
    deliver_to(receiver)
    [message] = receiver.messages
    body = json.loads(message.body)
    assert list(body) == ["text"]
    assert body["text"].endswith("https://agents.example/approvals/1")
    assert "webhook-signature" not in message.headers


def test_what_fails_is_tried_again_later_and_given_up_in_the_end(world: World, mailbox: Mailbox) -> None:
    mailbox.refusals = ["451 later", *["554 no"] * 20]
    set_mail_only_for(world.ada, world)
    tell(world)
    delivery = Delivery.objects.get(user=world.ada, channel="mail")
    for number in range(1, MAX_ATTEMPTS + 1):
        assert deliver() == 1, "after a failure it is not due at once"
        delivery.refresh_from_db()
        assert delivery.attempts == number
        make_due()
    assert delivery.state == "given_up"
    log = DeliveryAttempt.objects.filter(delivery=delivery).order_by("number")
    assert [row.error_code for row in log][:2] == ["smtp_451", "smtp_554"]
    make_due()
    assert deliver() == 0
    mailbox.refusals = []
    send_again(actor=actor(world.ada), delivery_id=delivery.pk)
    assert deliver() == 1
    assert len(to_ada(mailbox)) == 1


def set_mail_only_for(user: User, world: World) -> None:
    for one in (world.ada, world.cyd):
        chosen = ["mail"] if one == user else []
        set_preference(actor=actor(one, world.analytical), channels={"sla": chosen}, quiet_from_minute=0, quiet_until_minute=0)  # fmt: skip


def test_whoever_dies_between_sending_and_noting_sends_again_with_the_same_id(
    world: World, mailbox: Mailbox
) -> None:
    """At least once: a mail server knows no way to ask whether a message was taken."""
    set_mail_only_for(world.ada, world)
    tell(world)
    first = take_delivery()
    assert first
    send_delivery(first)  # and the process is gone
    assert take_delivery() is None, "it is somebody's until the lease is over"
    make_due()
    second = take_delivery()
    assert second
    note_delivery(second, send_delivery(second))
    assert not note_delivery(first, send_delivery(first)), "only the newest attempt may settle"
    assert len({mail["Message-ID"] for mail in mailbox.mails}) == 1
    row = Delivery.objects.get(user=world.ada, channel="mail")
    assert (row.state, row.attempts) == ("delivered", 2)
    assert deliver() == 0


@pytest.mark.django_db(transaction=True)
def test_clocks_at_once_send_each_delivery_once(world: World, mailbox: Mailbox) -> None:
    for number in range(20):
        tell(world, f"k{number}")
    at_once(deliver)
    ids = [mail["Message-ID"] for mail in mailbox.mails]
    assert len(ids) == len(set(ids)) == 40


@pytest.mark.django_db(transaction=True)
def test_the_clock_sends_and_waits_for_nobody(world: World, mailbox: Mailbox) -> None:
    tell(world)
    until = time.monotonic() + 10
    while send_due() or not mailbox.mails:
        assert time.monotonic() < until
        time.sleep(0.01)
    assert len(mailbox.mails) == 2
    assert not Delivery.objects.exclude(state="delivered").exists()


def test_people_choose_and_admins_see_the_log(world: World, mailbox: Mailbox) -> None:
    set_mail_only_for(world.cyd, world)
    tell(world)
    deliver()
    assert [mail["To"] for mail in mailbox.mails] == ["cyd@example.org"]
    assert n_unread(actor(world.ada)) == 0
    assert len(deliveries_for(actor(world.ada)).items) == 1
    assert len(deliveries_for(actor(world.cyd, world.analytical)).items) == 1
    assert deliveries_for(actor(world.bea)).items == []


def test_the_bell_counts_until_it_is_looked_at(world: World) -> None:
    ada = actor(world.ada)
    for number in range(3):
        tell(world, f"k{number}")
    [newest, *_] = bell_for(ada).items
    assert n_unread(ada) == 3
    assert mark_read(actor=actor(world.bea), delivery_id=newest.pk) == 0
    assert mark_read(actor=ada, delivery_id=newest.pk) == 1
    assert mark_read(actor=ada) == 2
    assert n_unread(ada) == 0


def test_endpoints_are_admins_business_and_stay_inside_their_team(world: World, receiver: Receiver) -> None:
    ada = actor(world.ada)
    said: dict[str, Any] = {"name": "ops", "kind": "slack", "url": receiver.url, "topics": ["sla"]}
    made = create_endpoint(actor=ada, **said)
    assert receiver.url.encode() not in bytes(made.url)
    with pytest.raises(ConflictError):
        create_endpoint(actor=ada, **said)
    with pytest.raises(NotAllowedError):
        create_endpoint(actor=actor(world.cyd, world.analytical), **said)
    with pytest.raises(NotFoundError):
        delete_endpoint(actor=actor(world.bea), endpoint_id=made.pk)
    switch_endpoint(actor=ada, endpoint_id=made.pk, is_on=False)
    tell(world)
    deliver_to(receiver)
    assert receiver.messages == []
    delete_endpoint(actor=ada, endpoint_id=made.pk)
    wrongs: tuple[dict[str, Any], ...] = (
        {"url": "http://127.0.0.1/"},
        {"url": "x"},
        {"topics": ["x"]},
        {"topics": []},
        {"kind": "fax"},
        {"name": ""},
    )
    for wrong in wrongs:
        with pytest.raises(InvalidInputError):
            create_endpoint(actor=ada, **(said | {"name": "n"} | wrong))


def test_ends_and_flags_of_runs_are_told_once_to_those_who_want_it(world: World) -> None:
    ada = actor(world.ada)
    find_causes()
    drive(a_run("test-steps", {"n": 1}, team=world.analytical))
    assert find_causes() == 0, "nobody has asked for it"
    chosen = {"run_ended": ["app"], "stuck": ["app"]}
    set_preference(actor=ada, channels=chosen, quiet_from_minute=0, quiet_until_minute=0)
    run = drive(a_run("test-steps", {"n": 1}, team=world.analytical))
    drive(a_run("test-steps", {"n": 1}, team=world.brook))
    Run.objects.filter(pk=run.pk).update(health=["integrity_failed", "retrying"])
    for found in (run, drive(a_run("test-steps", {"n": 1}, team=world.analytical))):
        StuckState.objects.create(
            team=world.analytical, run=found, agent_id=found.agent_id, reason="looping", node="login", text="again",
            fingerprint="1-a", from_at="2026-01-01T00:00:00Z", tell_at="2026-01-01T00:00:01Z",
        )  # fmt: skip
    find_causes()
    assert find_causes() == 0
    titles = [delivery.notice.title for delivery in bell_for(ada).items]
    assert "test-steps is integrity failed" in titles
    assert "2 runs are looping at login" in titles
    assert titles.count("2 runs are looping at login") == titles.count("test-steps is integrity failed") == 1
    assert [title for title in titles if "has succeeded" in title]


ZONES = st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe"])
MINUTES = st.integers(0, 1439)
INSTANTS = st.datetimes(datetime(2025, 1, 1), datetime(2027, 1, 1)).map(lambda at: at.replace(tzinfo=UTC))


@given(INSTANTS, ZONES, MINUTES, MINUTES)
def test_mail_waits_for_the_end_of_the_quiet_hours_and_no_longer(
    at: datetime, zone: str, start: int, end: int
) -> None:
    quiet = Quiet(start, end, zone)
    sent = send_at(at, quiet)
    assert at <= sent <= at + timedelta(hours=26)
    assert send_at(sent, quiet) - sent <= timedelta(hours=1), "but for an hour that a clock change repeats"
    if sent > at:
        local = sent.astimezone(ZoneInfo(zone))
        assert (
            local.hour * 60 + local.minute == end
            or local.utcoffset() != (local - timedelta(hours=2)).utcoffset()
        )
