"""`price-watch`, `recruiter` and `code-audit` on the real shell: they wait, ask, buy once, write once, and share work out."""

import sysconfig
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from agentops.accounts.roles import Actor, Scope
from agentops.demo.inspect_code import findings
from runs.models import Run, StuckState
from runs.selectors import run_list_for
from runs.selectors.steps import step_for
from runs.services.advance import advance
from runs.services.answer_wait import answer_wait
from runs.services.publish_event import publish_event
from runs.services.read_texts import read_texts
from runs.services.resume_run import resume_run
from runs.services.send_signal import send_signal
from runs.services.sweep import wake_due
from runs.services.sweep_waits import tell_parents
from runs.services.watch_runs import look_at
from tests.demo import a_site
from tests.runs import a_run, a_team, a_worker, claim, drive, output

pytestmark = pytest.mark.django_db


@pytest.fixture
def url(settings: Any, tmp_path: Path) -> Iterator[str]:
    with a_site(ledger=tmp_path / "ledger.jsonl") as site:
        settings.DEMO_SITE_URL = site.url + "/"
        yield site.url


def ada() -> Actor:
    return Actor(a_team().pk, None, "Ada", frozenset(Scope))


def rest(run: Run) -> Run:
    """Advance the run until it waits or has ended."""
    worker = a_worker()
    run.refresh_from_db()
    while run.status == "queued":
        advance(claim(worker))
        run.refresh_from_db()
    return run


def later(run: Run) -> Run:
    """Let the time of what the run waits for be over."""
    Run.objects.filter(pk=run.pk).update(wake_at="2020-01-01T00:00:00Z")
    run.steps.filter(status="running").update(due_at="2020-01-01T00:00:00Z")
    wake_due()
    return rest(run)


def price(url: str, cents: int) -> None:
    httpx.post(f"{url}/market/prices/ACME", json={"price_cents": cents}, trust_env=False).raise_for_status()


def bought(url: str) -> list[int]:
    applied = httpx.get(f"{url}/_ledger", trust_env=False).json()["applied"]
    return list(applied.values())


def mails(url: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = httpx.get(f"{url}/mail/outbox", trust_env=False).json()["mails"]
    return found


def answer(run: Run, reply: Any, **more: Any) -> Run:
    [seq] = run.steps.filter(status="running", kind="approval").values_list("seq", flat=True)
    answer_wait(actor=ada(), run_id=run.pk, seq=seq, reply=reply, **more)
    return rest(run)


class TestPriceWatch:
    def watch(self, **more: Any) -> Run:
        return rest(a_run("price-watch", {"symbol": "ACME", "limit_cents": 1000, "quantity": 3, **more}))

    def test_it_waits_until_it_is_cheap_and_buys_after_a_yes(self, url: str) -> None:
        price(url, 1200)
        run = self.watch()
        assert (run.status, run.waiting_on["text"]) == (
            "waiting",
            "event price.changed of ACME or signal stop",
        )
        price(url, 990)
        run = later(run)
        assert run.status == "awaiting_approval"
        assert run.waiting_on["text"] == "Buy 3 × ACME at 9.90 €, 29.70 € in all?"
        run = answer(run, "approve")
        assert output(run)["bought"] is True
        assert output(run)["order"]["price_cents"] == 990
        assert bought(url) == [1]

    def test_when_the_price_moved_nothing_is_bought_and_the_person_is_asked_anew(self, url: str) -> None:
        price(url, 990)
        run = self.watch()
        price(url, 995)
        run = answer(run, "approve")
        assert run.status == "awaiting_approval"
        assert run.waiting_on["text"].startswith(
            "The price moved from 9.90 € to 9.95 €, so nothing was bought."
        )
        assert bought(url) == []
        price(url, 1500)
        run = answer(run, "approve")
        assert (run.status, bought(url)) == ("waiting", []), "too dear by now: it goes on watching"

    def test_the_person_sees_what_they_go_by_and_the_step_bears_both_values(self, url: str) -> None:
        price(url, 990)
        run = self.watch()
        [asked] = run.steps.filter(status="running", kind="approval")
        [stated] = step_for(ada(), run.pk, asked.seq).premises
        assert (stated["name"], stated["value"]) == ("the price in cents", 990)
        price(url, 1500)
        run = answer(run, "approve")
        [failed] = run.steps.filter(name="market.buy", status="failed")
        [found] = step_for(ada(), run.pk, failed.seq).premises
        assert (failed.error_code, found["value"], found["found"]) == ("premise_failed", 990, 1500)
        assert bought(url) == []

    def test_an_event_wakes_it_early_and_a_message_stops_it(self, url: str) -> None:
        price(url, 1200)
        run = self.watch()
        publish_event(actor=ada(), name="price.changed", key="ACME", payload={})
        run = rest(run)
        assert run.status == "waiting"
        send_signal(actor=ada(), run_id=run.pk, name="stop")
        assert output(rest(run)) == {"bought": False, "why": "a person stopped it"}

    def test_a_no_ends_it_and_silence_withdraws_the_offer(self, url: str) -> None:
        price(url, 990)
        run = later(self.watch())
        assert run.status == "awaiting_approval", "it looked again, and offers again"
        run = answer(run, "reject", message="not now")
        assert output(run) == {"bought": False, "why": "Ada rejected 'market.buy': not now"}


class TestRecruiter:
    CANDIDATE = {"name": "Grace", "email": "grace@example.org", "role": "Engineer"}

    def test_the_reply_ends_it_and_the_invitation_goes_out_once(self, url: str) -> None:
        run = rest(a_run("recruiter", self.CANDIDATE))
        assert run.status == "waiting"
        publish_event(actor=ada(), name="mail.reply", key="grace@example.org", payload={"text": "gladly"})
        assert output(rest(run))["reply"] == {"text": "gladly"}
        second = rest(a_run("recruiter", self.CANDIDATE))
        assert second.status in ("waiting", "succeeded")
        assert [mail["subject"] for mail in mails(url)] == ["Invitation: Engineer"]

    def test_without_a_reply_it_reminds_once_and_then_asks_a_person(self, url: str) -> None:
        run = later(later(rest(a_run("recruiter", self.CANDIDATE))))
        assert run.status == "awaiting_approval"
        assert [mail["subject"] for mail in mails(url)] == ["Invitation: Engineer", "Reminder: Engineer"]
        run = answer(run, "respond", answer="wait two more days")
        assert run.status == "waiting"
        run = answer(later(run), "respond", answer="close the case")
        assert output(run) == {"replied": False}


class TestCodeAudit:
    def test_batches_are_shared_out_and_their_findings_read_together(self) -> None:
        folder = str(Path(sysconfig.get_paths()["stdlib"]) / "email")
        run = a_run("code-audit", {"folder": folder, "batch_files": 5, "concurrency": 3})
        worker = a_worker()
        for _ in range(300):
            run.refresh_from_db()
            if run.ended_at is not None:
                break
            if Run.objects.filter(status="queued").exists():
                advance(claim(worker))
            tell_parents()
        n_files = len(list(Path(folder).rglob("*.py")))
        assert run.status == "succeeded", run.error
        assert output(run)["files"] == n_files
        assert Run.objects.filter(parent=run).count() == -(-n_files // 5)
        assert "| rule | places |" in output(run)["report"]

    def test_a_folder_elsewhere_is_refused(self) -> None:
        run = drive(a_run("code-audit", {"folder": "/etc"}))
        assert (run.status, run.error["code"]) == ("failed", "forbidden")

    def test_what_stands_out_is_found_by_its_line(self) -> None:
        source = b"def f(a=[]):\n    try:\n        eval('1')\n    except:\n        pass\n"
        assert [(one.line, one.rule) for one in findings(source, "x.py")] == [
            (1, "mutable-default"), (3, "dynamic-code"), (4, "bare-except"),
        ]  # fmt: skip
        assert findings(b"def (", "x.py")[0].rule == "unreadable"
        assert findings(b"x = " + b"(" * 5000, "x.py")[0].rule == "unreadable"


def door(url: str, *, is_open: bool) -> None:
    httpx.post(f"{url}/portal/door", json={"is_open": is_open}, trust_env=False).raise_for_status()


class TestPortalFiling:
    CASE = {"case": "4711", "facts": "The roof leaks."}

    def test_it_files_a_case_once(self, url: str) -> None:
        run = rest(a_run("portal-filing", self.CASE))
        assert run.status == "succeeded", run.error
        assert output(run) == {"filing": "filing-1", "tries": 1}
        rest(a_run("portal-filing", self.CASE))
        assert bought(url) == [1]

    def test_before_a_shut_door_it_gets_stuck_at_login_and_goes_on_when_it_is_resumed(
        self, url: str, settings: Any
    ) -> None:
        settings.AGENTOPS = {"slice_steps": 30}
        door(url, is_open=False)
        run = a_run("portal-filing", self.CASE)
        advance(claim(a_worker()))
        look_at([run.pk])
        episode = StuckState.objects.get(run=run)
        assert (episode.reason, episode.node) == ("looping", "login")
        StuckState.objects.update(opened_at="2020-01-01T00:00:00Z")
        look_at([run.pk])
        run.refresh_from_db()
        assert run.status == "paused"
        door(url, is_open=True)
        resume_run(actor=ada(), run_id=run.pk)
        assert rest(run).status == "succeeded"
        Run.objects.filter(pk=run.pk).update(ended_at=run.created_at - timedelta(minutes=1))
        assert (read_texts(), read_texts()) == (0, 1), "the first look only begins"
        for query in ("state.case:4711", "content:leaks", 'stuck("portal.login")'):
            assert [it.pk for it in run_list_for(ada(), text=query).items] == [run.pk], query
