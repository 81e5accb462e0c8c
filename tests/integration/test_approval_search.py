"""The desk's search: what each key finds, where a query goes wrong, and that no search reads the whole table."""

from datetime import timedelta
from typing import Any

import orjson
import pytest
from django.db import connection

from agentops.accounts.roles import Actor, Role
from agentops.common.errors import BadQueryError
from approvals.models import Decision, Queue, Request
from approvals.search import APPROVAL
from approvals.selectors.request_query import request_query
from approvals.selectors.requests import Filters, inbox_for
from approvals.selectors.suggestions import suggestions_for
from runs.search.suggest import spot_at
from runs.selectors.runs import run_list_for
from runs.selectors.schedules import database_now
from tests.asking import a_request
from tests.integration.test_run_search_plans import plans, whole_tables
from tests.personas import World, actor, member
from tests.runs import a_run

pytestmark = pytest.mark.django_db

HOUR = timedelta(hours=1)
N = 20_000
_MANY = """
INSERT INTO approvals_request (id, team_id, run_id, seq, kind, status, agent, run_title, node, action, effect, tool_version,
    summary, reason, args_digest, evidence, signature, stages, delegations, opened_at, decision_due_at, closed_at, closed_by, risk)
SELECT gen_random_uuid(), t.id, gen_random_uuid(), n, 'approve', CASE WHEN n %% 40 = 0 THEN 'pending' ELSE 'approved' END,
    'agent-' || n %% 9, 'Run of num' || n, '', 'tool-' || n %% 50, 'write', '', 'pay: to firm' || n, '', '', '{}', 'sort' || n %% 100,
    '[{"quantifier": "any"}]', '[]', now() - n * interval '1 minute', now() + n * interval '1 minute',
    CASE WHEN n %% 40 <> 0 THEN now() - n * interval '1 second' END, 'ada', 1
FROM accounts_team t, generate_series(1, %s) AS n WHERE t.id = %s
"""


@pytest.fixture
def ada(world: World) -> Actor:
    return actor(world.ada)


@pytest.fixture
def asked(world: World, ada: Actor) -> dict[str, Request]:
    """Make a payment that is overdue and escalated, a question that Eve holds, and a mail that Ada and Eve let through."""
    now = database_now()
    eve = member("analytical", "Analytical", "eve", Role.REVIEWER).user
    queue = Queue.objects.create(team=world.analytical, slug="payments", name="Payments")
    run = a_run("test-asks", {}, team=world.analytical)
    found = {
        "pay": a_request(
            run, action="payment.refund", summary="payment.refund: to Acme, amount 480", effect="destructive", risk=2, queue=queue,
            decision_due_at=now - HOUR, escalation_level=2, rule={"name": "Money"}, signature="4f2a", args={"amount": 400},
        ),
        "ask": a_request(
            run, seq=2, kind="ask", action="account", summary="Which Acme account?", decision_due_at=now + HOUR, initiator=world.ada,
            claimed_by=eve, claimed_until=now + HOUR, opened_at=now - 3 * HOUR, agent="assistant", args=None, proposed_args=None,
        ),
        "mail": a_request(
            run, seq=3, action="email.send", summary="email.send: to bob@example.org", effect="write", status="approved",
            closed_at=now - HOUR, closed_by="ada, eve", opened_at=now - 48 * HOUR,
        ),
    }  # fmt: skip
    for name in ("ada", "eve"):
        Decision.objects.create(
            request=found["mail"], type="approve", actor=name, digest_seen="", version_seen=1
        )
    return found


def found(who: Actor, text: str, folder: str = "all", **more: Any) -> list[str]:
    items = inbox_for(who, Filters(folder, text=text), **more).items
    return [{"payment.refund": "pay", "account": "ask", "email.send": "mail"}[one.action] for one in items]


CASES = {
    "": ["pay", "ask"],
    "status:approved": ["mail"],
    "status:pending": ["pay", "ask"],
    "status:pending,approved": ["pay", "ask", "mail"],
    "-status:approved": ["pay", "ask"],
    "is:open": ["pay", "ask"],
    "is:closed": ["mail"],
    "is:closed OR is:claimed": ["ask", "mail"],
    "is:overdue": ["pay"],
    "is:claimed": ["ask"],
    "is:escalated": ["pay"],
    "is:edited": ["pay"],
    "kind:ask": ["ask"],
    "tool:payment.*": ["pay"],
    "tool:email.send": [],
    "tool:email.send status:approved": ["mail"],
    "effect:destructive": ["pay"],
    "risk:>=2": ["pay"],
    "agent:assistant": ["ask"],
    "-agent:assistant": ["pay"],
    "queue:payments": ["pay"],
    "queue:pay*": ["pay"],
    "queue:none": ["ask"],
    "user:@me": ["ask"],
    "user:none": ["pay"],
    "holder:eve": ["ask"],
    "holder:@me": [],
    "holder:none": ["pay"],
    "by:@me": ["mail"],
    "by:eve,ada": ["mail"],
    "by:grace": [],
    "rule:Money": ["pay"],
    "signature:4f*": ["pay"],
    "opened:<-2h": ["ask"],
    "due:<now": ["pay"],
    "due:now..2999-01-01": ["ask"],
    "closed:-2h": ["mail"],
    "acme": ["pay", "ask"],
    "refund acm": ["pay"],
    '"which acme"': ["ask"],
    "weekly kind:ask": ["ask"],
    "bob.example is:closed": ["mail"],
    "(tool:payment.refund OR kind:ask) -is:claimed": ["pay"],
}


def test_a_query_finds_what_it_says(ada: Actor, asked: dict[str, Request]) -> None:
    assert {text: sorted(found(ada, text)) for text in CASES} == {
        text: sorted(names) for text, names in CASES.items()
    }
    assert [name for name in APPROVAL.keys if f"{name}:" not in " ".join([*CASES, "run:"])] == []
    for one in (asked["pay"].run_id, str(asked["pay"].run_id)[:13]):
        assert found(ada, f"run:{one}") == found(ada, str(one)) == ["pay", "ask"]
    assert found(ada, str(asked["ask"].pk)) == ["ask"]


def test_folders_and_pages_stay_what_they_are(ada: Actor, asked: dict[str, Request], world: World) -> None:
    assert found(ada, "acme", "mine") == []
    assert found(ada, "example", "closed") == ["mail"]
    assert found(ada, "status:pending", "closed") == []
    seen, cursor = [], ""
    for _ in asked:  # open ones first, then the closed ones
        page = inbox_for(ada, Filters(text="status:pending,approved"), cursor=cursor, limit=1)
        seen += [one.action for one in page.items]
        cursor = page.next_cursor or ""
    assert (sorted(seen[:2]), seen[2], cursor) == (["account", "payment.refund"], "email.send", "")
    assert found(actor(world.bea), "acme") == []


def test_runs_are_found_by_what_they_ask(ada: Actor, asked: dict[str, Request]) -> None:
    run = asked["pay"].run_id
    assert [one.pk for one in run_list_for(ada, text="approval(is:overdue tool:payment.*)").items] == [run]
    assert run_list_for(ada, text="approval(is:overdue tool:account)").items == []


@pytest.mark.parametrize(
    ("text", "position", "suggestion"),
    [
        ("tol:pay", 0, "tool:pay"),
        ("acme is:overdeu", 8, "acme is:overdue"),
        ("due:soon", 4, None),
        ("risk:high", 5, None),
        ("(acme", 0, "(acme)"),
        ("step(tool:x)", 0, None),
        ("sort:due", 0, None),
        ("kind:unheard", 5, None),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_place(
    ada: Actor, text: str, position: int, suggestion: str | None
) -> None:
    with pytest.raises(BadQueryError) as refused:
        request_query(ada, text)
    assert refused.value.data["position"] == position
    assert refused.value.data.get("suggestion") == suggestion
    assert "there is no" not in refused.value.detail


def test_values_are_suggested(ada: Actor, asked: dict[str, Request]) -> None:
    def offered(text: str) -> list[str]:
        return [option.text for option in suggestions_for(ada, spot_at(text, len(text)))]

    assert offered("too") == ["tool:"]
    assert offered("is:over") == ["overdue"]
    assert offered("tool:") == ["account", "email.send", "payment.refund"]
    assert offered("holder:") == ["eve"]
    assert "today" in offered("due:")


def test_no_search_reads_the_whole_table(ada: Actor, asked: dict[str, Request]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(_MANY, [N, ada.team_id])
        cursor.execute("ANALYZE approvals_request")
    with plans() as seen:
        assert not Request.objects.filter(reason__iregex=r"\mnobody").exists()
    assert [reads_all(plan) for _sql, plan in seen] == [True], "the control: this would be noticed"
    told = []
    for text in [*CASES, "firm777", "-firm777", "num12 status:approved", "019f2a44", "approval"]:
        for folder in ("mine", "queues", "all", "closed"):
            with (
                connection.cursor() as cursor
            ):  # what a search set for its own transaction stays set in that of the test
                cursor.execute("SELECT set_config('enable_seqscan', 'on', true)")
            with plans() as seen:
                inbox_for(ada, Filters(folder, text=text))
            told += [(folder, text) for sql, plan in seen if "approvals_request" in sql and reads_all(plan)]
    assert told == []
    with plans() as seen:
        assert len(inbox_for(ada, Filters("closed", text="firm777")).items) == 11
    assert any("request_words" in orjson.dumps(plan).decode() for _sql, plan in seen)


def reads_all(plan: Any) -> bool:
    return "approvals_request" in set(whole_tables(plan, {"approvals_request"}))
