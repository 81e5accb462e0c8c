"""The desk's pages without a browser: the search, what stands beside a request, and what decides nothing."""

from datetime import timedelta

import pytest
from bs4 import BeautifulSoup
from django.db.models.functions import Now
from django.test import Client

from agentops.accounts.models import Team
from agentops.accounts.roles import Role
from agentops.common.transactions import transaction
from approvals.models import Absence, Decision, Queue, QueueMember, Request
from approvals.services.delegate_request import delegate_request
from approvals.services.save_escalation import EscalationSpec, save_escalation
from approvals.services.save_rule import set_mode
from approvals.services.start_sla import start_sla
from runs.models import Run
from runs.services.advance import advance
from runs.services.register_programs import register_programs
from tests.asking import a_request
from tests.personas import actor, token
from tests.runs import a_run, a_worker, claim
from tests.ui import builders
from tests.ui.conftest import See
from tests.ui.reading import one, words

pytestmark = pytest.mark.django_db


@pytest.fixture
def run(team: Team) -> Run:
    register_programs(team_id=team.pk)
    return a_run("test-asks", {}, team=team)


def listed(page: object) -> list[str]:
    return [words(row) for row in page.select(".requests li b")]  # type: ignore[attr-defined]  # a page


class TestTheSearch:
    @pytest.fixture(autouse=True)
    def _asked(self, run: Run) -> None:
        a_request(run, summary="payment.refund: to Acme, amount 480")
        a_request(run, seq=2, kind="ask", action="account", summary="Which Acme account?", args=None)

    def test_the_page_finds_and_keeps_to_what_was_found(self, see: See, ada: Client) -> None:
        page = see("/approvals?q=tool:pay*")
        assert listed(page) == ["payment.refund 480"]
        assert one(page, "#q")["value"] == "tool:pay*"
        for link in [*page.select(".requests li a"), *page.select(".head .views a")[:4]]:
            assert "q=tool%3Apay%2A" in str(link["href"]) or "q=tool%3Apay*" in str(link["href"])
        assert listed(see("/approvals?q=acme")) == ["payment.refund 480", "Which Acme account?"]
        assert listed(see("/approvals")) == ["payment.refund 480", "Which Acme account?"]

    def test_nothing_found_leads_on(self, see: See, ada: Client) -> None:
        page = see("/approvals?q=nobody")
        assert "No request matches." in words(one(page, ".empty"))
        assert "/approvals?folder=closed&q=nobody" in [link["href"] for link in page.select(".empty a")]

    def test_what_cannot_be_read_says_why_and_what_was_meant(
        self, see: See, ada: Client, run: Run, team: Team
    ) -> None:
        page = see("/approvals?q=acme+is:overdeu")
        assert "`is:` knows no 'overdeu' (character 8); did you mean `overdue`?" in words(
            one(page, "#problem")
        )
        assert one(page, "#problem a")["href"] == "/approvals?folder=all&q=acme%20is%3Aoverdue"
        case = see(f"/approvals/{Request.objects.get(kind='ask').pk}?q=acme+is:overdeu")
        assert words(one(case, "#case-title")) == "Which Acme account?"
        program = Client(headers={"authorization": f"Bearer {token(builders.a_person(team), team)}"})
        refused = program.get("/api/v1/approvals?q=acme+is:overdeu")
        assert (refused.status_code, refused.json()["code"], refused.json()["position"]) == (
            400,
            "bad_query",
            8,
        )
        assert refused.json()["suggestion"] == "acme is:overdue"
        found = program.get("/api/v1/approvals?q=kind:ask").json()["items"]
        assert [item["summary"] for item in found] == ["Which Acme account?"]

    def test_values_are_offered_while_typing(self, see: See, ada: Client) -> None:
        offered = see("/approvals/suggest?q=tool:pay").select("[role=option]")
        assert [option["data-insert"] for option in offered] == ["payment.refund"]


class TestRequestsOfOneSort:
    @pytest.fixture
    def asked(self, team: Team, run: Run) -> list[Request]:
        builders.living_system()
        worker = a_worker()
        for n in range(4):
            a_run("test-asks", {"args": {"amount": n}}, team=team)
        for _ in range(5):
            advance(claim(worker))
        return list(Request.objects.filter(action="pay").order_by("pk"))

    def test_they_are_approved_together_each_as_it_was_seen(
        self, see: See, ada: Client, asked: list[Request]
    ) -> None:
        where = f"/approvals/{asked[0].pk}"
        assert words(one(see(where), f"a[href^='{where}/alike']")).startswith("3 more of this sort")
        page = see(f"{where}/alike")
        items = [box["value"] for box in page.select("input[name=item][checked]")]
        assert len(items) == 4
        assert not Decision.objects.exists(), "looking decides nothing"
        Request.objects.filter(pk=asked[3].pk).update(version=2)
        done = ada.post(f"{where}/alike", {"item": items[1:], "type": "approve", "reason": "all fine"})
        told = BeautifulSoup(done.content, "html.parser")
        assert words(one(told, "h1")) == "2 requests decided"
        assert "it has changed since you looked" in words(told.select("tbody tr")[2])
        assert [Request.objects.get(pk=it.pk).status for it in asked] == [
            "pending", "approved", "approved", "pending",
        ]  # fmt: skip
        assert {one.message for one in Decision.objects.all()} == {"all fine"}

    def test_a_reason_is_needed_to_reject_and_what_was_ticked_stays(
        self, see: See, ada: Client, asked: list[Request]
    ) -> None:
        where = f"/approvals/{asked[0].pk}/alike"
        items = [box["value"] for box in see(where).select("input[name=item]")]
        for posted, why in (
            ({"item": items[:2], "type": "reject"}, "Say why"),
            ({"type": "approve"}, "Tick at least one"),
            ({"item": items[:2], "type": "burn"}, "Must be approve or reject"),
        ):
            refused = ada.post(where, posted)
            page = BeautifulSoup(refused.content, "html.parser")
            assert (refused.status_code, why in words(one(page, "[role=alert]"))) == (422, True)
            assert len(page.select("input[name=item][checked]")) == len(posted.get("item", items))
        assert ada.post(where, {"item": ["x"], "type": "approve"}).status_code == 400
        assert not Decision.objects.exists()
        ada.post(where, {"item": items, "type": "reject", "reason": "not this week"})
        assert set(Request.objects.filter(action="pay").values_list("status", "message")) == {
            ("rejected", "not this week")
        }
        assert "None of them is open any more." in words(one(see(where), ".empty"))

    def test_what_destroys_is_approved_one_by_one(self, see: See, ada: Client, asked: list[Request]) -> None:
        Request.objects.filter(action="pay").update(risk=2)
        where = f"/approvals/{asked[0].pk}/alike"
        page = see(where)
        assert "What destroys is approved one by one." in words(one(page, ".note"))
        assert [button["value"] for button in page.select("button[name=type]")] == ["reject"]
        items = [box["value"] for box in page.select("input[name=item]")]
        refused = ada.post(where, {"item": items, "type": "approve"})
        assert "What destroys is approved one by one" in words(
            one(BeautifulSoup(refused.content, "html.parser"), "[role=alert]")
        )
        assert not Decision.objects.exists()


def test_actions_of_one_turn_lead_to_each_other(see: See, ada: Client, team: Team) -> None:
    register_programs(team_id=team.pk)
    builders.living_system()
    set_mode(actor=actor(builders.a_person(team)), mode="gate")
    calls = [{"tool": "test.ledger", "args": {"entry": f"pay {n}"}} for n in (1, 2, 3)]
    a_run("test-gathers", {"calls": calls}, team=team)
    advance(claim(a_worker()))
    first, second, third = Request.objects.order_by("seq")
    Request.objects.filter(pk=first.pk).update(status="rejected", closed_at=Now())
    turn = one(see(f"/approvals/{second.pk}?folder=all"), "nav.turn")
    assert "2 of 3 actions of this turn" in words(turn)
    assert [words(item) for item in turn.select("li")] == [
        "test.ledger pay 1 Rejected",
        "test.ledger pay 2 Open",
        "test.ledger pay 3 Open",
    ]
    links = [str(link["href"]).partition("?")[0] for link in turn.select("a")]
    assert links == [f"/approvals/{first.pk}", f"/approvals/{third.pk}"]


def test_who_decides_in_whose_place_is_told(see: See, ada: Client, team: Team, run: Run) -> None:
    request = a_request(run, stages=[{"quantifier": "any", "queue": "payments"}])
    user, grace = builders.a_person(team), builders.a_person(team, "grace", Role.REVIEWER)
    queue = Queue.objects.create(team=team, slug="payments", name="Payments")
    QueueMember.objects.create(queue=queue, user=grace)
    assert "only people of the queue" in words(see(f"/approvals/{request.pk}"))
    delegate_request(actor=actor(grace), request_id=request.pk, to=user.username)
    page = see(f"/approvals/{request.pk}")
    assert [words(line) for line in page.select(".vote")] == [
        "You decide in the place of grace.",
        f"grace has given their vote to {user.username}.",
    ]
    Absence.objects.create(
        team=team, user=user, delegate=grace, starts_at=Now() - timedelta(hours=1), ends_at=Now() + timedelta(days=2)
    )  # fmt: skip
    assert "You are out of office; grace decides in your place until" in words(see("/approvals"))


def test_a_permission_is_taken_back_on_its_page(see: See, ada: Client, team: Team, run: Run) -> None:
    columns = {"status": "approved", "closed_at": Now(), "closed_by": "ada", "grant_expires_at": Now()}
    given = a_request(run, **columns, summary="payment.refund: amount 480")
    where = f"/approvals/{given.pk}"
    assert one(see(where), f"form[action^='{where}/recall'] textarea")["name"] == "reason"
    for reason, version, status in (
        ("", "1", 422),
        ("the wrong firm", "9", 409),
        ("the wrong firm", "1", 302),
    ):
        assert ada.post(f"{where}/recall", {"reason": reason, "version": version}).status_code == status
    page = see(where)
    assert not page.select("form[action*='/recall']")
    assert "ada : took the permission back the wrong firm" in words(one(page, ".history"))
    Request.objects.filter(pk=given.pk).update(status="approved", used_at=Now(), used_seq=7)
    late = ada.post(f"{where}/recall", {"reason": "stop", "version": "2"})
    told = words(one(BeautifulSoup(late.content, "html.parser"), "[role=alert]"))
    assert (late.status_code, "too late: billing used this permission" in told) == (409, True)


def test_what_time_brings_is_told_and_its_clocks_stand_and_go_on(
    see: See, ada: Client, team: Team, run: Run
) -> None:
    asked = a_request(run)
    policy = {
        "decision_seconds": 7200,
        "reminders": [50],
        "levels": [{"after_seconds": 7200, "targets": ["admins"]}],
    }
    save_escalation(
        actor=actor(builders.a_person(team)),
        spec=EscalationSpec("Two hours", {**policy, "end_seconds": 9000, "end": "expire"}),
    )
    with transaction():
        start_sla(asked)
    clock = one(see(f"/approvals/{asked.pk}"), ".clock")
    assert words(one(clock, "summary")).startswith("Next: Reminder: 50 % of the time to decide is over")
    assert "Level 1: told to admins" in words(clock)
    where = f"/approvals/{asked.pk}/clock"
    assert ada.post(where, {"verb": "pause", "reason": "the bank must answer"}).status_code == 302
    clock = one(see(f"/approvals/{asked.pk}"), ".clock")
    assert "lets the clocks stand" in words(clock)
    assert "the bank must answer Nothing is due until they go on." in words(clock)
    program = Client(headers={"authorization": f"Bearer {token(builders.a_person(team), team)}"})
    went = program.post(
        f"/api/v1/approvals/{asked.pk}/clock", {"verb": "resume"}, content_type="application/json"
    )
    assert went.status_code == 200
    assert words(one(see(f"/approvals/{asked.pk}"), ".clock summary")).startswith("Next:")
