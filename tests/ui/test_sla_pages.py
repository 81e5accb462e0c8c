"""The pages of escalation: policies, calendars, the report."""

from collections.abc import Callable

import pytest
from bs4 import BeautifulSoup
from django.test import Client

from agentops.accounts.models import Team
from agentops.accounts.roles import Role
from approvals.models import BusinessCalendar, EscalationPolicy
from tests.ui.conftest import See
from tests.ui.reading import words

pytestmark = pytest.mark.django_db

POLICY = {
    "name": "Payments", "queues": "", "agents": "price-*, recruiter", "actions": "", "calendar": "", "first_response": "1h",
    "decision": "8h", "reminders": "50, 90", "levels": "after 2h tell deciders; again 2 times every 1h\nafter 6h tell admins, user:ada",
    "end_after": "1d 4h", "end": "expire", "position": "5", "is_on": "1",
}  # fmt: skip
OFFICE = {"name": "Office", "time_zone": "Europe/Berlin", "holidays": "2026-12-25\n2026-12-26",
          **{f"day-{number}": "09:00-12:30, 13:30-18:00" for number in range(5)}, "day-5": "", "day-6": ""}  # fmt: skip


def fail(answer: object) -> str:
    return words(BeautifulSoup(answer.content, "html.parser").select_one(".fail"))  # type: ignore[attr-defined]  # a response


def test_a_policy_is_made_shown_as_it_was_typed_and_changed(see: See, ada: Client, team: Team) -> None:
    assert ada.post("/policies/calendars/new", OFFICE).status_code == 302
    calendar = BusinessCalendar.objects.get()
    assert calendar.data["week"][0] == [["09:00", "12:30"], ["13:30", "18:00"]]
    answer = ada.post("/policies/escalations/new", POLICY | {"calendar": str(calendar.pk)})
    assert answer.status_code == 302
    kept = EscalationPolicy.objects.get()
    assert kept.data["levels"][0] == {
        "after_seconds": 7200,
        "targets": ["deciders"],
        "repeats": 2,
        "every_seconds": 3600,
    }
    page = see(answer["Location"])
    assert page.select_one("#levels").text == POLICY["levels"]  # type: ignore[union-attr]  # it is there
    assert page.select_one("#end_after")["value"] == "1d 4h"
    assert len(page.select("table.list tbody tr")) == 9, "what would come when"
    again = POLICY | {"name": "Money", "version": "1"}
    assert ada.post(answer["Location"], again).status_code == 302
    stale = ada.post(answer["Location"], again)
    assert (stale.status_code, "changed it meanwhile" in fail(stale)) == (409, True)
    assert "Money" in words(see("/policies/escalations").select_one("main"))
    ada.post(f"/policies/escalations/{kept.pk}/remove")
    ada.post(f"/policies/calendars/{calendar.pk}/remove")
    assert not BusinessCalendar.objects.exists()


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": ""}, {"decision": "soon"}, {"decision": "1s"}, {"reminders": "half"}, {"reminders": "150"}, {"end": "approve"},
        {"levels": "tell everybody"}, {"levels": "after 2h tell everybody"}, {"end_after": "1h"}, {"position": "first"},
        {"calendar": "nonsense"}, {"agents": "x" * 200}, {"levels": "after 2h tell admins; again 99999999 times every 1h"},
    ],
)  # fmt: skip
def test_a_policy_that_cannot_be_is_refused_with_a_sentence_and_kept_in_the_form(
    ada: Client, team: Team, wrong: dict[str, str]
) -> None:
    answer = ada.post("/policies/escalations/new", POLICY | wrong)
    assert answer.status_code == 422
    assert len(fail(answer)) > 10
    assert not EscalationPolicy.objects.exists()


@pytest.mark.parametrize(
    "wrong",
    [{"time_zone": "Mars"}, {"day-0": "9-17"}, {"day-0": "09:00"}, {"holidays": "Xmas"}, {"name": ""}],
)
def test_a_calendar_that_cannot_be_is_refused(ada: Client, team: Team, wrong: dict[str, str]) -> None:
    answer = ada.post("/policies/calendars/new", OFFICE | wrong)
    assert (answer.status_code, len(fail(answer)) > 10) == (422, True)


def test_the_report_says_what_would_stand_there(see: See) -> None:
    assert "No request that went by a policy" in words(see("/approvals/sla").select_one("main"))
    assert see("/approvals/sla?days=nonsense")


def test_others_may_look_and_not_touch(browser_of: Callable[[Role], Client], team: Team) -> None:
    reviewer = browser_of(Role.REVIEWER)
    assert reviewer.get("/policies/escalations").status_code == 200
    assert reviewer.get("/approvals/sla").status_code == 200
    assert reviewer.get("/policies/escalations/new").status_code == 403
    assert reviewer.post("/policies/calendars/new", OFFICE).status_code == 403
