"""People clear the desk by keys, collide, and decide from a phone."""

import pytest
from playwright.sync_api import Browser, Page, Response, expect

from agentops.accounts.models import Team, User
from agentops.accounts.roles import Role
from agentops.accounts.services.add_member import add_member
from approvals.models import Decision, Request
from runs.services.advance import advance
from runs.services.register_programs import register_programs
from tests.e2e.browser import Complaints
from tests.e2e.server import WebServer
from tests.e2e.sessions import session_of
from tests.e2e.test_actions import clean
from tests.runs import a_run, a_worker, claim
from tests.ui import builders

pytestmark = pytest.mark.django_db(transaction=True)
N = 20


@pytest.fixture
def asked(team: Team) -> list[Request]:
    builders.living_system()
    register_programs(team_id=team.pk)
    worker = a_worker()
    for n in range(N):
        a_run(
            "test-asks",
            {"args": {"amount": n, "to": f"Acme {n:02}"}, "timeout_seconds": 7200 + 60 * n},
            team=team,
        )
        advance(claim(worker))
    return list(Request.objects.order_by("decision_due_at"))


def is_made(response: Response, request: Request) -> bool:
    """Whether the request was decided by it, and not only tried."""
    return f"{request.pk}/decide" in response.url and "rehearse" not in (response.request.post_data or "")


def test_twenty_are_cleared_by_keys_one_of_them_edited(
    desk: Page, asked: list[Request], complaints: Complaints
) -> None:
    desk.goto("/approvals")
    expect(desk.locator("#case-title")).to_contain_text("Acme 00")
    assert clean(desk) == []
    desk.keyboard.press("i")
    desk.keyboard.type("1")
    expect(desk.locator(".was")).to_contain_text("was “Acme 00”")
    expect(desk.get_by_role("button", name="Approve with 1 edited")).to_be_visible()
    desk.keyboard.press("Control+Enter")
    for n in range(1, N):
        expect(desk.locator("#case-title")).to_contain_text(f"Acme {n:02}")
        if n == 1:
            desk.keyboard.press("r")
            expect(desk.locator("#reason")).to_be_focused()
            desk.keyboard.type("not this one")
            desk.keyboard.press("Control+Enter")
        elif n == 2:
            desk.keyboard.press("a")
            expect(desk.locator("#case-title")).not_to_contain_text("Acme 02")
            desk.keyboard.press("u")
            expect(desk.locator("#case-title")).to_contain_text("Acme 02")
            desk.keyboard.press("a")
        else:
            desk.keyboard.press("a")
    with desk.expect_response(lambda one: is_made(one, asked[-1]), timeout=20_000):  # five seconds later
        expect(desk.locator(".undo")).to_be_visible()
    found = {one.proposed_args["amount"]: one for one in Request.objects.all()}
    assert [found[n].status for n in range(N)] == ["approved", "rejected", *["approved"] * (N - 2)]
    assert found[0].args == {"to": "1", "amount": 0}
    assert (found[1].message, Decision.objects.count()) == ("not this one", N)
    assert complaints.told == []


def test_two_reviewers_collide_the_second_sees_why_and_takes_it_back(
    desk: Page, asked: list[Request], team: Team, browser: Browser, server: WebServer, complaints: Complaints
) -> None:
    other = add_member(
        team_slug=team.slug, team_name=team.name, username="grace", email="g@example.org", role=Role.REVIEWER
    )
    first = asked[0]
    desk.goto(f"/approvals/{first.pk}")
    theirs = phone(browser, server, other.user)
    theirs.goto(f"/approvals/{first.pk}")
    assert theirs.evaluate("document.documentElement.scrollWidth") <= 390
    with theirs.expect_response("**/decide**"):  # it is tried at once
        theirs.get_by_role("button", name="Approve").click()
    with theirs.expect_response(lambda one: is_made(one, first), timeout=20_000):
        theirs.locator(".undo").wait_for()
    desk.keyboard.press("a")
    expect(desk.get_by_role("alert")).to_contain_text("grace was faster: this is approved")
    assert Decision.objects.count() == 1
    theirs.context.close()
    desk.keyboard.press("r")
    expect(desk.locator("#recalled")).to_be_focused()
    desk.keyboard.type("not this firm")
    desk.keyboard.press("Control+Enter")
    expect(desk.locator(".history")).to_contain_text("ada: took the permission back")
    desk.set_viewport_size({"width": 390, "height": 844})
    expect(desk.get_by_role("heading", level=1)).to_have_text("Approvals")
    assert Request.objects.get(pk=first.pk).status == "voided"
    assert all("409" in line for line in complaints.told)  # the browser notes that its decision was refused
    complaints.told.clear()


def test_the_rest_of_a_sort_is_approved_by_two_keys(desk: Page, asked: list[Request]) -> None:
    desk.goto(f"/approvals/{asked[0].pk}?folder=all")
    expect(desk.get_by_text(f"{N - 1} more of this sort")).to_be_visible()
    desk.keyboard.press("A")
    desk.wait_for_url("**/alike**")
    assert clean(desk) == []
    boxes = desk.get_by_role("checkbox").filter(visible=True)
    expect(boxes).to_have_count(N)
    boxes.first.press("Space")
    desk.keyboard.press("a")
    expect(desk.get_by_role("heading", level=1)).to_have_text(f"{N - 1} requests decided")
    assert clean(desk) == []
    assert [Request.objects.get(pk=one.pk).status for one in asked] == ["pending", *["approved"] * (N - 1)]


def phone(browser: Browser, server: WebServer, user: User) -> Page:
    context = browser.new_context(base_url=server.url, viewport={"width": 390, "height": 844})
    context.add_cookies([{"name": "sessionid", "value": session_of(user), "url": server.url}])
    return context.new_page()
