"""The page of failed runs: groups, evidence, retrying one and many."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from bs4 import BeautifulSoup
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from agentops.accounts.roles import Actor, Role, Scope
from agentops.common.errors import InvalidInputError, NotAllowedError
from agentops.common.ids import new_id
from runs.models import AgentVersion, Run
from runs.selectors.console import dead_letters
from runs.services.retry_many import MAX_RUNS, retry_many
from tests.ui import builders, stories
from tests.ui.builders import RunBuilder
from tests.ui.conftest import See
from tests.ui.reading import attribute, one, words

pytestmark = pytest.mark.django_db

PAGE = "/runs/dead-letters"


def failed(
    version: AgentVersion, code: str = "timeout", node: str = "read", *, n: int = 1, seconds_ago: float = 600.0, **more: Any
) -> list[Run]:  # fmt: skip
    error = {"code": code, "node": node, "seq": 1, "message": f"{code} at {node}"}
    return [
        RunBuilder(version, title=f"{code} {i}", seconds_ago=seconds_ago + i).save(status="failed", error=error, **more)
        for i in range(n)
    ]  # fmt: skip


def groups(page: BeautifulSoup) -> list[str]:
    return [words(bar).split(" last ")[0] for bar in page.select("section.dead .bar")]


def actor_of(run: Run, *scopes: Scope) -> Actor:
    return Actor(run.team_id, None, "ada", frozenset(scopes or Scope))


def test_runs_that_failed_alike_stand_together_newest_first(see: See, version: AgentVersion) -> None:
    failed(version, "timeout", "read", n=3, seconds_ago=900.0)
    failed(version, "ValueError", "draft", seconds_ago=60.0)
    failed(version, "timeout", "publish", seconds_ago=300.0)
    other = builders.an_agent(version.team, "audit", program="test-calls")
    failed(other, "timeout", "read", seconds_ago=100.0)
    RunBuilder(version).save(status="succeeded")
    assert groups(see(PAGE)) == [
        "ValueError draft site-research 1 run",
        "timeout read audit 1 run",
        "timeout publish site-research 1 run",
        "timeout read site-research 3 runs",
    ]


def test_a_group_shows_its_newest_runs_and_leads_to_all(see: See, version: AgentVersion) -> None:
    failed(version, n=5)
    shown = see(PAGE)
    assert len(shown.select("section.dead li")) == dead_letters.SHOWN_RUNS
    link = one(shown, ".dead .more a")
    assert words(link) == "2 more like these"
    assert len(see(attribute(link, "href")).select("section.dead li")) == 5


def test_the_evidence_is_told(see: See, version: AgentVersion) -> None:
    run = stories.a_poisoned_run(version)
    told = words(one(see(PAGE), "section.dead li"))
    for fact in (
        "step 2 convert",
        "1 attempt",
        "lost 3 × alone",
        "lost 2 × with others",
        "its process ended",
        "died 3 times",
    ):
        assert fact in told
    assert see(PAGE).select(f'a[href="/runs/{run.id}"]')


def test_the_rail_counts_them(see: See, version: AgentVersion) -> None:
    assert see("/runs").select(".rail .n") == []
    failed(version, n=2)
    room = one(see("/runs"), f'.rail a[href="{PAGE}"]')
    assert words(room) == "Dead letters 2"
    assert not room.has_attr("aria-current")
    here = [words(room) for room in see(PAGE).select(".rail .room[aria-current]")]
    assert here == ["Dead letters 2"]


def test_retrying_one_leads_to_it(ada: Client, version: AgentVersion) -> None:
    [run] = failed(version)
    answer = ada.post(f"{PAGE}/retry", {"run": str(run.id)})
    assert answer.headers["Location"] == f"/runs/{run.id}"
    run.refresh_from_db()
    assert (run.status, run.error) == ("queued", None)


def test_retrying_a_group_leaves_the_others(see: See, ada: Client, version: AgentVersion) -> None:
    failed(version, "timeout", "read", n=3)
    failed(version, "ValueError", "read")
    form = one(see(PAGE), "section.dead form:has([name=code])")
    assert words(form) == "Retry all 3"
    fields = {attribute(field, "name"): attribute(field, "value") for field in form.select("input")}
    answer = BeautifulSoup(ada.post(f"{PAGE}/retry", fields).content, "html.parser")
    assert words(one(answer, "h1")) == "3 runs are queued again."
    assert groups(see(PAGE)) == ["ValueError read site-research 1 run"]


def test_those_that_cannot_be_retried_are_named_with_why(ada: Client, version: AgentVersion) -> None:
    [good] = failed(version)
    [broken] = failed(version, health=["integrity_failed"])
    answer = BeautifulSoup(
        ada.post(f"{PAGE}/retry", {"run": [str(good.id), str(broken.id), str(new_id()), "x"]}).content,
        "html.parser",
    )
    assert words(one(answer, "h1")) == "1 run is queued again."
    told = words(one(answer, "[role=alert]"))
    assert "2 runs were not retried" in told
    assert "stored rows of it fail their check" in told
    assert "there is no run" in told


def test_at_most_so_many_at_once(version: AgentVersion) -> None:
    [run] = failed(version)
    with pytest.raises(InvalidInputError, match="at most 500"):
        retry_many(actor=actor_of(run), run_ids=[run.pk, *(UUID(int=i) for i in range(MAX_RUNS))])
    run.refresh_from_db()
    assert run.status == "failed"


def test_only_those_who_may_run_retry(browser_of: Callable[[Role], Client], version: AgentVersion) -> None:
    [run] = failed(version)
    viewer = browser_of(Role.VIEWER)
    assert "dead-letters/retry" not in viewer.get(PAGE).content.decode()
    assert viewer.post(f"{PAGE}/retry", {"run": str(run.id)}).status_code == 403
    with pytest.raises(NotAllowedError):
        retry_many(actor=actor_of(run, Scope.READ), run_ids=[run.pk])


def test_runs_of_other_teams_are_neither_shown_nor_retried(
    see: See, ada: Client, version: AgentVersion
) -> None:
    theirs = failed(builders.an_agent(builders.a_team("rivals")), "secret", "vault")[0]
    assert see(PAGE).select("section.dead") == []
    assert see(f"{PAGE}?agent=site-research&code=secret&node=vault").select("section.dead a") == []
    ada.post(f"{PAGE}/retry", {"run": str(theirs.id)})
    ada.post(f"{PAGE}/retry", {"agent": "site-research", "code": "secret", "node": "vault"})
    theirs.refresh_from_db()
    assert theirs.status == "failed"


def test_pages_go_on_where_the_one_before_ended(
    see: See, version: AgentVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dead_letters, "GROUPS_A_PAGE", 4)
    for i in range(10):
        failed(version, f"code{i}", seconds_ago=1000.0 + i)
    address, seen = PAGE, list[str]()
    while address:
        page = see(address)
        seen += [text.split()[0] for text in groups(page)]
        more = page.select("a[rel=next]")
        address = PAGE + attribute(more[0], "href") if more else ""
    assert seen == [f"code{i}" for i in range(10)]


def test_a_page_looks_at_no_more_than_its_window(
    see: See, version: AgentVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dead_letters, "WINDOW_RUNS", 5)
    failed(version, n=12)
    address, n = PAGE, list[str]()
    while address:
        page = see(address)
        n += [text.split()[3] for text in groups(page)]
        more = page.select("a[rel=next]")
        address = PAGE + attribute(more[0], "href") if more else ""
    assert n == ["5", "5", "2"]


def test_the_runs_of_a_group_come_in_pages_that_miss_none(see: See, version: AgentVersion) -> None:
    ids = {str(run.id) for run in failed(version, n=53)}
    address, seen = f"{PAGE}?agent=site-research&code=timeout&node=read", list[str]()
    while address:
        page = see(address)
        seen += [attribute(i, "value") for i in page.select("li input[name=run]")]
        more = page.select("a[rel=next]")
        address = PAGE + attribute(more[0], "href") if more else ""
    assert len(seen) == 53
    assert set(seen) == ids


def test_many_groups_take_no_more_queries_than_one(ada: Client, version: AgentVersion) -> None:
    def n_queries() -> int:
        ada.get(PAGE)
        with CaptureQueriesContext(connection) as captured:
            ada.get(PAGE)
        return len(captured)

    failed(version, "first")
    few = n_queries()
    for i in range(20):
        failed(version, f"code{i}", n=2)
    assert n_queries() == few
    assert few <= 12


def test_errors_without_a_code_or_node_have_a_group_too(see: See, version: AgentVersion) -> None:
    RunBuilder(version).save(status="failed", error={"message": "?"})
    RunBuilder(version).save(status="failed", error=None)
    link = one(see(PAGE), "section.dead .bar h2 a")
    assert len(see(attribute(link, "href")).select("section.dead li")) == 2
