"""The desk's pages without a browser: the search, what stands beside a request, and what decides nothing."""

import pytest
from django.test import Client

from agentops.accounts.models import Team
from approvals.models import Request
from runs.models import Run
from runs.services.register_programs import register_programs
from tests.asking import a_request
from tests.personas import token
from tests.runs import a_run
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
        assert "There is no is 'overdeu' (character 8), did you mean `overdue`?" in words(
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
