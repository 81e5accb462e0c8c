"""What opens every link of a mail, scripts and all, decides nothing: neither a stranger's machine nor one's own."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from agentops.accounts.models import Team, User
from agentops.audit.models import Entry
from agentops.notify.services.preferences import set_preference
from agentops.notify.services.send_delivery import note_delivery, send_delivery, take_delivery
from approvals.models import Comment, Decision, Request
from runs.models import Run
from runs.services.advance import advance
from runs.services.register_programs import register_programs
from tests.e2e.browser import Complaints
from tests.e2e.server import WebServer
from tests.mailbox import Mailbox, a_mailbox
from tests.personas import actor
from tests.runs import a_run, a_worker, claim
from tests.ui import builders

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def mailbox(settings: Any, server: WebServer) -> Iterator[Mailbox]:
    settings.PUBLIC_URL = server.url
    with a_mailbox(settings) as mailbox:
        yield mailbox


def links_of_mail(mailbox: Mailbox) -> list[str]:
    while taken := take_delivery():
        note_delivery(taken, send_delivery(taken))
    texts = [
        part.get_content()
        for mail in mailbox.mails
        for part in mail.walk()
        if part.get_content_maintype() == "text"
    ]
    return sorted({link for text in texts for link in re.findall(r"https?://[^\s\"'<>]+", text)})


def links_of_page(page: Page) -> set[str]:
    found = page.eval_on_selector_all("main a[href]", "links => links.map(link => link.href)")
    return {link.split("#")[0] for link in found}


def all_there_is() -> list[Any]:
    tables = (Request, Decision, Comment, Run, Entry)
    return [list(table.objects.order_by("pk").values()) for table in tables]


@pytest.mark.parametrize("is_signed_in", [False, True])
def test_opening_every_link_of_the_mail_and_of_the_page_behind_it_changes_nothing(
    team: Team, ada: User, mailbox: Mailbox, browser: Browser, server: WebServer, session_key: str, complaints: Complaints,
    is_signed_in: bool,
) -> None:  # fmt: skip
    builders.living_system()
    register_programs(team_id=team.pk)
    set_preference(
        actor=actor(ada, team), channels={"approval": ["mail"]}, quiet_from_minute=0, quiet_until_minute=0
    )
    a_run("test-asks", {"args": {"amount": 5}, "timeout_seconds": 7200}, team=team)
    advance(claim(a_worker()))
    links, before = links_of_mail(mailbox), all_there_is()
    assert [link for link in links if f"/approvals/{Request.objects.get().pk}" in link]
    context = browser.new_context(base_url=server.url)
    if is_signed_in:
        context.add_cookies([{"name": "sessionid", "value": session_key, "url": server.url}])
    page = complaints.watch(context.new_page())
    behind: set[str] = set()
    for link in links:
        page.goto(link, wait_until="load")
        behind |= links_of_page(page)
    for link in sorted(behind - set(links)):
        page.goto(link, wait_until="load")
    context.close()
    assert len(behind) > 5 or not is_signed_in
    assert all_there_is() == before
    assert Request.objects.get().status == "pending"
