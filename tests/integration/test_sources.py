"""Sources that are looked at: each thing found is an event once, whatever dies between reading and noting it."""

import os
from collections.abc import Callable, Iterator
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import psycopg
import pytest
import redis
from django.conf import settings
from django.db import connection
from psycopg.conninfo import make_conninfo

from agentops.accounts.models import Team
from agentops.accounts.roles import Actor
from agentops.common.ids import new_id
from agentops.embedded.waiting import wait_until
from runs.journal.fence import execute
from runs.models import Event, Run, Source, TriggerStart
from runs.services import read_source as reading
from runs.services.create_source import create_source
from runs.services.create_trigger import create_trigger
from runs.services.read_source import read_source, take_source
from runs.services.source_reader import SourceReader
from runs.services.update_source import update_source
from tests.mail_server import Mailbox, a_mail_server
from tests.personas import World, actor
from tests.runs import a_run, drive

pytestmark = pytest.mark.django_db

Add = Callable[..., object]


@pytest.fixture
def ada(world: World) -> Actor:
    return actor(world.ada)


class Dies(BaseException):
    """The process is killed here."""


def make(ada: Actor, kind: str, told: dict[str, Any], secret: str = "") -> Source:
    return create_source(actor=ada, slug="src", kind=kind, settings=told, secret=secret)[0]


def look(*, now: bool = True) -> int:
    """Look at the source as the clock does; return how many events were new."""
    if now:
        Source.objects.update(look_at="2000-01-01T00:00:00Z")
    taken = take_source()
    assert taken, "no source is due"
    return read_source(taken)


def events() -> list[Event]:
    return list(Event.objects.order_by("id"))


def source() -> Source:
    return Source.objects.get()


@pytest.fixture
def stream(ada: Actor) -> Iterator[Add]:
    client = redis.Redis.from_url(settings.REDIS_URL)
    name = f"test-{new_id()}"
    make(ada, "redis", {"url": settings.REDIS_URL, "stream": name, "key_pointer": "/n"})
    yield lambda n: client.xadd(name, {"type": "order", "payload": f'{{"n": {n}}}'})
    client.delete(name)
    client.close()


@pytest.fixture
def folder(ada: Actor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Add:
    monkeypatch.setattr(settings, "SOURCE_FOLDERS", [str(tmp_path)])
    make(ada, "folder", {"path": str(tmp_path), "pattern": "*.txt", "stable_seconds": 0})
    return lambda n: (tmp_path / f"{n}.txt").write_text(f"file {n}")


def server_of_tests() -> dict[str, Any]:
    given = connection.settings_dict
    return {name: given[name.upper()] for name in ("host", "port", "user", "password") if given[name.upper()]}


@pytest.fixture(scope="module")
def shop(django_db_setup: None) -> Iterator[str]:
    """The address of a database of somebody else, with an outbox."""
    name = f"shop_{new_id().hex}"
    given = {**connection.settings_dict, "NAME": connection.settings_dict["NAME"]}
    host = {
        "host": given["HOST"],
        "port": given["PORT"],
        "user": given["USER"],
        "password": given["PASSWORD"],
    }
    known = {key: value for key, value in host.items() if value}
    with psycopg.connect(make_conninfo(dbname="postgres", **known), autocommit=True) as server:
        server.execute(f"CREATE DATABASE {name}")
    address = make_conninfo(dbname=name, **known)
    with psycopg.connect(address, autocommit=True) as database:
        database.execute("CREATE TABLE outbox (id bigserial PRIMARY KEY, type text DEFAULT 'order', n int)")
    yield address
    with psycopg.connect(make_conninfo(dbname="postgres", **known), autocommit=True) as server:
        server.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def table(ada: Actor, shop: str) -> Iterator[Add]:
    with psycopg.connect(shop, autocommit=True) as database:
        database.execute("TRUNCATE outbox RESTART IDENTITY")
        make(ada, "sql", {"table": "outbox", "key_pointer": "/n"}, shop)
        yield lambda n: database.execute("INSERT INTO outbox (n) VALUES (%s)", [n])


@pytest.fixture
def mail() -> Iterator[tuple[Mailbox, int]]:
    with a_mail_server() as told:
        yield told


def a_message(n: int, text: str = "Hello") -> bytes:
    message = EmailMessage()
    message["From"], message["To"] = f"Bob <bob{n}@example.org>", "orders@example.org"
    message["Subject"], message["Message-ID"] = f"Order {n} – für Ada", f"<{n}@example.org>"
    message.set_content(text)
    message.add_attachment(b"%PDF", maintype="application", subtype="pdf", filename="order.pdf")
    return message.as_bytes().replace(b"\n", b"\r\n")


@pytest.fixture
def mailbox(ada: Actor, mail: tuple[Mailbox, int]) -> Add:
    box, port = mail
    make(ada, "imap", {"host": "127.0.0.1", "port": port, "user": "orders", "tls": False}, "secret")
    return lambda n: box.add(a_message(n))


@pytest.fixture
def ends(ada: Actor) -> Add:
    make(ada, "runs", {"agent": "test-steps"})
    return lambda n: an_end(ada)


def an_end(ada: Actor) -> Run:
    return drive(a_run("test-steps", {"n": 1}, team=Team.objects.get(pk=ada.team_id)))


EACH = pytest.mark.parametrize("kind", ["stream", "folder", "table", "mailbox", "ends"])


@EACH
def test_what_comes_after_the_first_look_is_told_once_in_order(
    kind: str, request: pytest.FixtureRequest
) -> None:
    add = request.getfixturevalue(kind)
    add(0)
    assert look() == 0, "what was there before is none of ours"
    for n in (1, 2, 3):
        add(n)
    assert (look(), look(), look()) == (3, 0, 0)
    assert source().n_events == len(events()) == 3
    assert {event.source for event in events()} == {"source:src"}
    assert source().last_event_at
    add(4)
    assert look() == 1


@EACH
def test_a_reader_that_dies_before_it_notes_its_position_tells_nothing_twice(
    kind: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    add = request.getfixturevalue(kind)
    look()
    for n in (1, 2, 3):
        add(n)
    with monkeypatch.context() as patched:
        patched.setattr(reading, "_store", _die)
        with pytest.raises(Dies):
            look()
    assert len(events()) == 3, "the events were stored before it died"
    Source.objects.update(look_at="2000-01-01T00:00:00Z")
    assert take_source() is None, "it is still the dead reader's until its lease is over"
    Source.objects.update(taken_until="2000-01-01T00:00:00Z")
    assert look() == 0
    assert len(events()) == 3
    add(4)
    assert look() == 1


@EACH
def test_a_reader_that_dies_between_two_events_loses_none(
    kind: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    add = request.getfixturevalue(kind)
    look()
    for n in (1, 2, 3):
        add(n)
    told, tell = [], reading._told

    def dies_at_the_second(*given: Any) -> bool:
        told.append(given)
        if len(told) == 2:
            raise Dies
        return tell(*given)

    with monkeypatch.context() as patched:
        patched.setattr(reading, "_told", dies_at_the_second)
        with pytest.raises(Dies):
            look()
    assert len(events()) == 1
    Source.objects.update(taken_until="2000-01-01T00:00:00Z")
    assert look() == 2
    assert len({event.delivery_id for event in events()}) == 3


def _die(*_: Any) -> None:
    raise Dies


@EACH
def test_from_the_start_means_what_is_there_too(kind: str, request: pytest.FixtureRequest) -> None:
    add = request.getfixturevalue(kind)
    now = source()
    Source.objects.update(settings=now.settings | {"from_start": True})
    add(1)
    add(2)
    assert look() == 2


def test_two_readers_never_have_a_source_at_once_and_the_one_put_off_writes_nothing(
    stream: Add, ada: Actor
) -> None:
    first = take_source()
    assert first
    assert take_source() is None
    Source.objects.update(taken_until="2000-01-01T00:00:00Z")
    second = take_source()
    assert second
    stream(1)
    read_source(first)
    assert source().taken_by == second.reader
    assert source().position is None
    update_source(actor=ada, slug="src", changes={"settings": {"every_seconds": 9}})
    read_source(second)
    assert source().position is None, "what was read under other settings is not noted"
    assert look(now=False) == 0


def test_a_paused_source_is_not_looked_at(stream: Add, ada: Actor) -> None:
    update_source(actor=ada, slug="src", changes={"paused": True})
    assert take_source() is None
    update_source(actor=ada, slug="src", changes={"paused": False})
    assert look(now=False) == 0


def test_entries_of_a_stream_keep_their_type_payload_and_key(stream: Add) -> None:
    look()
    stream(7)
    look()
    [event] = events()
    assert (event.name, event.payload, event.key) == ("src.order", {"n": 7}, "7")


def test_trouble_is_told_since_when_and_looked_at_less_and_less(ada: Actor) -> None:
    make(ada, "redis", {"url": "redis://127.0.0.1:1/0", "stream": "orders"})
    look()
    first = source()
    assert "does not answer; check the address" in first.last_error
    assert pause_seconds() == pytest.approx(2, abs=0.5)
    execute("UPDATE runs_source SET last_error_at = clock_timestamp() - interval '1 minute' RETURNING id", {})
    since = source().last_error_at
    look()
    assert source().last_error_at == since, "since when, not when last"
    assert pause_seconds() == pytest.approx(60, abs=5)
    execute("UPDATE runs_source SET last_error_at = clock_timestamp() - interval '1 day' RETURNING id", {})
    look()
    assert pause_seconds() == pytest.approx(600, abs=5)
    update_source(actor=ada, slug="src", changes={"settings": {"url": settings.REDIS_URL}})
    assert look(now=False) == 0
    assert (source().last_error, source().last_error_at) == ("", None)


def pause_seconds() -> float:
    row = execute("SELECT extract(epoch from look_at - clock_timestamp())::float8 FROM runs_source", {})
    assert row
    return float(row[0])


def test_what_is_no_event_is_told_as_refused_and_holds_nothing_up(stream: Add) -> None:
    look()
    stream('"' + "x" * (2 << 20) + '"')
    stream(2)
    assert look() == 2
    refused, good = events()
    assert refused.name == "src.refused"
    assert "the payload has" in refused.payload["problem"]
    assert good.payload == {"n": 2}
    assert (source().n_refused, source().last_error) == (1, "")


def test_a_file_is_told_of_with_its_text_when_it_is_written_and_again_when_it_changes(
    folder: Add, tmp_path: Path
) -> None:
    look()
    folder(1)
    (tmp_path / "not-ours.csv").write_text("x")
    (tmp_path / "link.txt").symlink_to("/etc/passwd")
    (tmp_path / "long.txt").write_bytes(b"x" * (65 << 10))
    (tmp_path / "binary.txt").write_bytes(b"\xff\xfe")
    assert look() == 3
    by_name = {event.key: event.payload for event in events()}
    assert by_name["1.txt"]["text"] == "file 1"
    assert by_name["1.txt"]["size_bytes"] == 6
    assert by_name["long.txt"]["text"] is by_name["binary.txt"]["text"] is None
    (tmp_path / "1.txt").write_text("file 1, corrected")
    assert look() == 1
    (tmp_path / "1.txt").unlink()
    assert look() == 0
    assert "1.txt" not in str(source().position)


def test_a_file_that_is_being_written_waits(folder: Add, tmp_path: Path, ada: Actor) -> None:
    update_source(actor=ada, slug="src", changes={"settings": {"stable_seconds": 60}})
    look()
    folder(1)
    assert look() == 0
    os.utime(tmp_path / "1.txt", (1, 1))
    assert look() == 1


@pytest.mark.parametrize("path", ["/etc", "/", "{allowed}/../.."])
def test_only_folders_that_the_operator_allows_are_read(
    ada: Actor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    monkeypatch.setattr(settings, "SOURCE_FOLDERS", [str(tmp_path / "a" / "b")])
    make(ada, "folder", {"path": path.format(allowed=tmp_path / "a" / "b"), "from_start": True})
    assert look() == 0
    assert "SOURCE_FOLDERS" in source().last_error


def test_a_row_whose_transaction_commits_after_a_later_one_is_not_passed_over(table: Add, shop: str) -> None:
    look()
    with psycopg.connect(shop) as slow:
        slow.execute("INSERT INTO outbox (n) VALUES (1)")
        table(2)
        assert look() == 1, "the later one does not wait for the earlier"
        assert look() == 0
        slow.commit()
    assert look() == 1
    assert [event.payload["n"] for event in events()] == [2, 1]
    assert look() == look() == 0
    assert source().position == {"low": "2", "mark": "2", "writers": []}


def test_without_the_care_for_open_transactions_the_row_would_be_lost(
    table: Add, shop: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control of the test above."""
    from runs.sources import sql_table

    monkeypatch.setattr(sql_table._Table, "_writers", lambda _: [])
    look()
    with psycopg.connect(shop) as slow:
        slow.execute("INSERT INTO outbox (n) VALUES (1)")
        table(2)
        look()
        look()
        slow.commit()
    assert look() == 0


def test_the_database_of_the_product_is_no_source(ada: Actor) -> None:
    address = make_conninfo(dbname=connection.settings_dict["NAME"], **server_of_tests())
    make(ada, "sql", {"table": "runs_event", "from_start": True}, address)
    assert look() == 0
    assert "are no sources" in source().last_error


@pytest.mark.parametrize(
    ("told", "what_to_do"),
    [({"table": "nowhere"}, "no table 'nowhere'"), ({"table": "pg_catalog.pg_authid", "column": "oid"}, "are no sources"),
     ({"table": 'outbox"; DROP TABLE outbox; --'}, "no table"), ({"table": "outbox", "column": "nope"}, "check connection, table and column")],
)  # fmt: skip
def test_a_table_that_cannot_be_read_says_what_to_do(
    ada: Actor, shop: str, told: dict[str, Any], what_to_do: str
) -> None:
    make(ada, "sql", told, shop)
    look()
    assert what_to_do in source().last_error
    assert "password" not in source().last_error


def test_a_message_is_told_of_with_sender_subject_and_text_and_stays_unread(
    mailbox: Add, mail: tuple[Mailbox, int]
) -> None:
    look()
    mailbox(1)
    look()
    [event] = events()
    assert (event.name, event.key) == ("src.mail", "bob1@example.org")
    told = event.payload
    assert (told["subject"], told["text"].strip(), told["message_id"]) == (
        "Order 1 – für Ada",
        "Hello",
        "<1@example.org>",
    )
    assert told["attachments"] == [{"name": "order.pdf", "type": "application/pdf"}]
    assert not [command for command in mail[0].commands if "STORE" in command or "SELECT" in command]


def test_a_connection_that_breaks_between_messages_goes_on_where_it_was(
    mailbox: Add, mail: tuple[Mailbox, int]
) -> None:
    look()
    for n in range(1, 26):
        mailbox(n)
    mail[0].break_at = 23
    look()
    assert "cannot be read" in source().last_error
    mail[0].break_at = None
    look()
    assert (len(events()), source().last_error) == (25, "")


def test_messages_that_a_server_numbers_anew_are_not_told_of_again(
    mailbox: Add, mail: tuple[Mailbox, int]
) -> None:
    look()
    mailbox(1)
    look()
    box = mail[0]
    box.validity, box.messages = 2, {11: box.messages[1], 12: a_message(2)}
    assert look() == 1
    assert source().position == {"validity": 2, "uid": 12}


@pytest.mark.parametrize("raw", [b"", b"\r\n\r\n", b"From: =?utf-8?q?", b"Content-Type: multipart/mixed; boundary=\r\n\r\nx",
    b"Subject: \xff\xfe\r\nContent-Type: text/plain; charset=klingon\r\n\r\n\xff\x00", b"From: a@b\r\nContent-Type: \r\n\r\n" + b"x" * 300_000])  # fmt: skip
def test_a_message_that_is_nonsense_is_an_event_or_nothing_and_holds_nothing_up(
    mailbox: Add, mail: tuple[Mailbox, int], raw: bytes
) -> None:
    look()
    mail[0].add(raw)
    mailbox(1)
    look()
    assert source().last_error == ""
    assert events()[-1].payload["message_id"] == "<2@example.org>" or events()[-1].key == "bob1@example.org"


def test_a_wrong_password_and_a_wrong_mailbox_say_what_to_do(
    mailbox: Add, mail: tuple[Mailbox, int], ada: Actor
) -> None:
    mail[0].password = "another"
    look()
    assert "give another password" in source().last_error
    mail[0].password = "secret"
    update_source(actor=ada, slug="src", changes={"settings": {"mailbox": "Nowhere"}})
    look()
    assert "check its name" in source().last_error


def test_the_end_of_a_run_starts_another_and_never_itself(ends: Add, ada: Actor) -> None:
    look()
    create_trigger(
        actor=ada,
        agent="test-steps",
        event_name="src.succeeded",
        input_template={"n": {"$": "/payload/steps"}},
    )
    first = an_end(ada)
    assert look() == 1
    [event] = events()
    assert (event.key, event.payload["id"], event.payload["status"]) == (
        "test-steps",
        str(first.pk),
        "succeeded",
    )
    started = TriggerStart.objects.get().run
    assert started
    drive(started)
    assert look() == 0, "an end that this very source brought about is not told of"
    assert Run.objects.count() == 2


@pytest.mark.django_db(transaction=True)
def test_the_threads_beside_the_clock_read_what_is_due(stream: Add) -> None:
    look()
    stream(1)
    Source.objects.update(look_at="2000-01-01T00:00:00Z")
    with SourceReader():
        wait_until(lambda: source().n_events == 1, what="the source was not read", timeout_seconds=10)
        wait_until(lambda: source().taken_by is None, what="it was not given back", timeout_seconds=10)
