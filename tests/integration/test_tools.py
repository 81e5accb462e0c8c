"""The tools that speak to databases and to a mail server: what they do, what they refuse, what stays unknown."""

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
from django.core import mail
from django.db import connection

import runs.programs  # noqa: F401 -- registers the tools
from approvals.engine.facts import Facts
from runs.engine.errors import ToolError
from runs.engine.sql_verbs import is_change, verbs_in
from runs.tools.registry import get_tool
from tests.demo import a_call

pytestmark = pytest.mark.django_db


@pytest.fixture
def url() -> str:
    of = connection.settings_dict
    host, port = of["HOST"] or "localhost", of["PORT"] or 5432
    return f"postgresql://{quote(of['USER'])}:{quote(of['PASSWORD'])}@/{of['NAME']}?host={quote(host, safe='')}&port={port}"


@pytest.fixture
def shop(url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A database `shop` that may be written, with a table of three orders; `shop-read` may only be read."""
    told = {
        "shop": {"url": url, "write": True},
        "shop-read": url,
        "theirs": {"url": url, "teams": ["nobody"]},
    }
    monkeypatch.setenv("SQL_DATABASES", json.dumps(told))
    do(
        "execute",
        "CREATE TABLE IF NOT EXISTS tool_orders (n int PRIMARY KEY, what text, due timestamptz, meta jsonb)",
    )
    do("execute", "TRUNCATE tool_orders")
    do(
        "change",
        "INSERT INTO tool_orders SELECT n, 'x' || n, '2026-01-02T03:04:05Z', '{\"a\": 1}' FROM generate_series(1, 3) n",
    )
    yield
    do("execute", "DROP TABLE tool_orders")


def do(tool: str, sql: str, database: str = "shop", **more: Any) -> Any:
    return get_tool(f"sql.{tool}").run(a_call(timeout_seconds=10), database=database, sql=sql, **more)


def refusal(tool: str, sql: str, database: str = "shop", **more: Any) -> ToolError:
    with pytest.raises(ToolError) as caught:
        do(tool, sql, database, **more)
    return caught.value


def n_orders() -> Any:
    return do("query", "SELECT count(*) FROM tool_orders")["rows"][0][0]


def test_rows_are_read_with_values_and_cut_where_there_are_many(shop: None) -> None:
    told = do("query", "SELECT * FROM tool_orders WHERE n >= %s ORDER BY n", params=[2], max_rows=1)
    assert told["columns"] == ["n", "what", "due", "meta"]
    assert told["rows"] == [[2, "x2", "2026-01-02 03:04:05+00:00", '{"a":1}']]
    assert told["is_truncated"] is True
    long = do(
        "query",
        "SELECT repeat('x', 50000), 'NaN'::float8, '\\x00ff'::bytea, 1.5::numeric, null WHERE 'a%' LIKE 'a%'",
    )
    [[text, *others]] = long["rows"]
    assert (len(text), others, long["is_truncated"]) == (10_000, ["nan", "00ff", "1.5", None], True)
    assert (
        len(do("query", "SELECT repeat('x', 9000) FROM generate_series(1, 1000)", max_rows=1000)["rows"])
        == 22
    )


@pytest.mark.parametrize(
    "sql",
    [
        "DELETE FROM tool_orders",
        "WITH gone AS (DELETE FROM tool_orders RETURNING n) SELECT * FROM gone",
        "SELECT 1; DELETE FROM tool_orders",
        "SELECT 1; COMMIT; SET default_transaction_read_only = off; DELETE FROM tool_orders",
        "SELECT set_config('transaction_read_only', 'off', true), n FROM tool_orders FOR UPDATE",
        "SELECT nextval(pg_get_serial_sequence('runs_logline', 'id'))",
        "COPY tool_orders TO PROGRAM 'true'",
    ],
)
def test_reading_never_writes(shop: None, sql: str) -> None:
    assert refusal("query", sql).error_code == "sql_error"
    assert n_orders() == 3


def test_rows_are_changed_and_only_that(shop: None) -> None:
    made = do(
        "change",
        "INSERT INTO tool_orders (n) VALUES (%s) ON CONFLICT (n) DO UPDATE SET what = 'again' RETURNING n",
        params=[3],
    )
    assert (made["rows_affected"], made["rows"]) == (1, [[3]])
    for sql in (
        "DELETE FROM tool_orders",
        "WITH d AS (DELETE FROM tool_orders RETURNING '--') INSERT INTO tool_orders (n) SELECT 9",
        "WITH a AS (SELECT '--'), d AS (DELETE FROM tool_orders RETURNING 1) INSERT INTO tool_orders (n) SELECT 9",
        "WITH a AS (SELECT E'\\''), d AS (DELETE FROM tool_orders RETURNING ''), b AS (SELECT '') UPDATE tool_orders SET n = n",
        "DROP TABLE tool_orders", "SELECT 1", "TRUNCATE tool_orders", "",
    ):  # fmt: skip
        with pytest.raises(ToolError):
            do("change", sql)
    assert (
        refusal("change", "UPDATE tool_orders SET what = 'x'; DELETE FROM tool_orders").error_code
        == "sql_refused"
    )
    assert refusal("execute", "DELETE FROM tool_orders; SELECT 1").error_code == "sql_error"
    assert n_orders() == 3
    assert do("execute", "DELETE FROM tool_orders WHERE n = 1")["rows_affected"] == 1
    failed = refusal(
        "execute",
        "INSERT INTO tool_orders SELECT n, 'x' FROM generate_series(7, 5, -1) n WHERE 1 / (n - 5) > -1",
    )
    assert (failed.error_code, failed.retryable, failed.is_outcome_unknown) == ("sql_error", False, False)
    assert n_orders() == 2


def test_only_what_the_operator_named_can_be_reached(shop: None) -> None:
    assert "may only be read" in str(refusal("execute", "DELETE FROM tool_orders", "shop-read"))
    assert do("query", "SELECT 1", "shop-read")["rows"] == [[1]]
    told = str(refusal("query", "SELECT 1", "theirs"))
    assert "there are shop, shop-read" in told
    assert refusal("query", "SELECT pg_sleep(20)", "shop").error_code in ("sql_error", "sql_connection")


@pytest.mark.parametrize(
    ("sql", "verbs", "is_a_change"),
    [
        ("INSERT INTO t VALUES ('DELETE; --'), ($$DROP$$)", {"INSERT"}, True),
        ("/* DELETE */ UPDATE t SET a = 1 -- DROP", {"UPDATE"}, True),
        ("INSERT INTO t SELECT '--' FROM u; DELETE FROM t", {"INSERT", "SELECT", "DELETE"}, False),
        ("SELECT E'\\'' , 'x'; DELETE FROM t WHERE a = ''", {"SELECT", "DELETE"}, False),
        ('UPDATE "it\'s" SET a = 1; DELETE FROM "t\'"', {"UPDATE", "DELETE"}, False),
        ("INSERT INTO t VALUES (1) ON CONFLICT DO NOTHING", {"INSERT", "DO"}, True),
        ("DO $$ BEGIN DELETE FROM t; END $$", {"DO"}, False),
    ],
)
def test_verbs_are_found_where_they_are_verbs(sql: str, verbs: set[str], is_a_change: bool) -> None:
    assert verbs_in(sql) == verbs == Facts("a", "sql.execute", "write", {"sql": sql}).sql_verbs
    assert is_change(sql) is is_a_change


def send(**args: Any) -> Any:
    told = {"to": ["ada@example.org"], "subject": "Hello", "text": "How are you?", **args}
    return get_tool("email.send").run(a_call(key="idem_1"), **told)


def test_a_mail_is_sent_once_to_those_who_may_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    assert send()["to"] == ["ada@example.org"]
    [sent] = mail.outbox
    assert (sent.subject, sent.body, sent.to) == ("Hello", "How are you?", ["ada@example.org"])
    monkeypatch.setenv("EMAIL_ALLOW", "*@example.com, boss@example.org")
    send(to=["eve@example.com", "Boss@example.org"])
    for more, code in (
        ({"to": ["ada@example.org"]}, "email_refused"), ({"to": ["no address"]}, "email_address"),
        ({"to": ["eve@example.com\nBcc: all@example.com"]}, "email_address"), ({"subject": "a\nBcc: b@c.de"}, "invalid_arguments"),
        ({"to": []}, "invalid_arguments"), ({"text": ""}, "invalid_arguments"),
    ):  # fmt: skip
        with pytest.raises(ToolError) as caught:
            send(**more)
        assert (caught.value.error_code, caught.value.retryable) == (code, False)
    assert len(mail.outbox) == 2


def test_a_mail_server_that_is_away_is_tried_again_and_one_that_hangs_up_leaves_it_open(
    settings: Any,
) -> None:
    settings.EMAIL_BACKEND, settings.EMAIL_HOST, settings.EMAIL_PORT = (
        "django.core.mail.backends.smtp.EmailBackend",
        "127.0.0.1",
        9,
    )
    with pytest.raises(ToolError) as caught:
        send()
    assert (caught.value.error_code, caught.value.retryable, caught.value.is_outcome_unknown) == (
        "email_connection",
        True,
        False,
    )
