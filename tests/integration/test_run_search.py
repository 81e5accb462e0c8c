"""Searching runs: what each key finds, in which order, and how far a page looks."""

from datetime import timedelta
from typing import Any

import pytest

from agentops.accounts.models import Team
from agentops.accounts.roles import Actor, Role
from agentops.accounts.selectors import actor_of_user
from agentops.common.errors import BadQueryError
from runs.journal.fence import execute
from runs.models import AgentVersion, Run, Step, StuckState
from runs.search.registry import KEYS, SCOPES
from runs.selectors import run_list_for, walk
from runs.services.read_texts import read_texts
from tests.ui import builders
from tests.ui.builders import RunBuilder

pytestmark = pytest.mark.django_db
HOUR, DAY = 3600.0, 86400.0


@pytest.fixture
def team() -> Team:
    return builders.a_team()


@pytest.fixture
def ada(team: Team) -> Actor:
    found = actor_of_user(builders.a_person(team, role=Role.ADMIN))
    assert found
    return found


@pytest.fixture
def version(team: Team) -> AgentVersion:
    return builders.an_agent(team)


def found(ada: Actor, text: str, **more: Any) -> list[str]:
    return [run.title for run in run_list_for(ada, text=text, **more).items]


def titled(version: AgentVersion, title: str, *, seconds_ago: float = HOUR, **columns: Any) -> Run:
    return RunBuilder(version, title=title, seconds_ago=seconds_ago).save(**columns)


@pytest.fixture
def runs(version: AgentVersion, team: Team) -> dict[str, Run]:
    other = builders.an_agent(team, "code-audit")
    now = builders.database_now()
    login = RunBuilder(version, title="login", seconds_ago=2 * HOUR)
    login.node("login", actions=[builders.Action("browser.click", {"at": "#go"}, attempts=3)])
    failed = login.save(
        status="failed", node="login", error={"code": "timeout", "message": "the page did not answer"}, n_retries=7,
        started_at=now - timedelta(hours=2), ended_at=now - timedelta(hours=1), cost_microusd=7_500_000, tokens_in=150_000,
    )  # fmt: skip
    child = titled(version, "child", seconds_ago=HOUR, status="sleeping", parent=failed, health=["retrying"])
    Run.objects.filter(pk=child.pk).update(root_id=failed.pk)
    long_ago = now - timedelta(days=30)
    execute(
        "INSERT INTO runs_readmark (name, ended_at) VALUES ('texts', %(at)s) RETURNING name", {"at": long_ago}
    )
    StuckState.objects.create(
        team=team, run=failed, agent_id=failed.agent_id, reason="stuck", node="login", error="http_<n>", fingerprint="1-aa",
        text="portal.login failed 3 times in a row: 503", from_at="2026-03-01T22:00:00Z", to_at="2026-03-02T01:00:00Z",
        resolution="resumed", resolved_by="ada", taken=[{"do": "notify"}, {"do": "pause"}],
    )  # fmt: skip
    StuckState.objects.create(
        team=team, run=child, agent_id=child.agent_id, reason="looping", node="read", text="http.get: 5 times", fingerprint="1-bb",
        from_at=now - timedelta(minutes=5),
    )  # fmt: skip
    Run.objects.filter(pk=child.pk).update(health=["looping", "retrying"])
    read_texts()
    return {
        "login": failed,
        "child": child,
        "fork": titled(version, "fork", seconds_ago=HOUR / 2, forked_from=failed, tags=["prod", "eu-west"]),
        "audit": titled(other, "audit", seconds_ago=3 * DAY, batch_id="nightly-1", queue="gpu", priority=5, n_steps=2000),
    }  # fmt: skip


CASES = {
    "status:failed": ["login"],
    "status:failed,sleeping": ["child", "login"],
    "-status:succeeded": ["child", "login"],
    "is:open": ["child"],
    "is:ended": ["fork", "login", "audit"],
    "is:retrying": ["child"],
    "is:fork,child": ["fork", "child"],
    "health:retrying": ["child"],
    "agent:code-audit": ["audit"],
    "agent:code*": ["audit"],
    "agent:code-audit,site-research": ["fork", "child", "login", "audit"],
    "agent:code-audit status:succeeded": ["audit"],
    "version:1": ["fork", "child", "login", "audit"],
    "version:>1": [],
    "node:login": ["login"],
    "node:log*": ["login"],
    "tag:prod": ["fork"],
    "tag:eu*": ["fork"],
    "tag:none": ["child", "login", "audit"],
    "batch:nightly-1": ["audit"],
    "batch:nightly*": ["audit"],
    "queue:gpu": ["audit"],
    "user:@me": ["fork", "child", "login", "audit"],
    "user:bob": [],
    "title:log*": ["login"],
    "error:timeout": ["login"],
    "error:time*": ["login"],
    "parent:any": ["child"],
    "fork:any": ["fork"],
    "started:-3h": ["login"],
    "ended:-90m": ["fork", "login"],
    "started:none": ["fork", "child", "audit"],
    "created:-1d": ["fork", "child", "login"],
    "created:<-1d": ["audit"],
    "created:-2d..-45m": ["child", "login"],
    "active:-45m": ["fork", "child"],
    "age:>1d": ["audit"],
    "age:45m..90m": ["child"],
    "duration:59m..61m": ["login"],
    "cost:>5": ["login"],
    "cost:7.5": ["login"],
    "tokens:>100k": ["login"],
    "steps:>=2000": ["audit"],
    "retries:7": ["login"],
    "priority:>0": ["audit"],
    "has:error": ["login"],
    "no:batch": ["fork", "child", "login"],
    "sort:created": ["audit", "login", "child", "fork"],
    "sort:-cost is:ended": ["login", "fork", "audit"],
    "sort:steps -agent:code-audit": ["fork", "child", "login"],
    "step(tool:browser.click attempts:>=3)": ["login"],
    "step(tool:browser.click) step(kind:node)": ["login"],
    "step(tool:browser.click kind:node)": [],
    "-step(kind:tool)": ["fork", "child", "audit"],
    "is:stuck": ["child"],
    "health:looping": ["child"],
    "stuck(node:login at:2026-03-01)": ["login"],
    "stuck(node:login at:2026-03-02)": ["login"],
    "stuck(node:login at:2026-03-03)": [],
    "stuck(at:2026-02-27..2026-03-01)": ["login"],
    "stuck(at:now)": ["child"],
    "stuck(at:-1h reason:looping,stalled)": ["child"],
    "stuck(is:open)": ["child"],
    "stuck(is:over)": ["login"],
    "stuck(from:2026-03-01 to:2026-03-02 duration:3h)": ["login"],
    "stuck(agent:site* error:http*)": ["child", "login"][1:],
    "stuck(fingerprint:1-*)": ["child", "login"],
    "stuck(remedy:pause resolution:resumed by:ada)": ["login"],
    "stuck(remedy:kill)": [],
    "stuck(portal.log)": ["login"],
    'stuck("failed 3 times")': ["login"],
    "stuck(node:login reason:looping)": [],
    "-stuck(node:login) is:open": ["child"],
    "stuck(node:login) OR tag:prod": ["fork", "login"],
    "approval(is:open tool:pay)": [],
    'content:"page did not"': ["login"],
    "content:docs.example": ["login"],
    "content:nobody": [],
    "state.root:https*": [],
    "login OR audit": ["login", "audit"],
    "(login OR audit) -status:failed": ["audit"],
    "prod": ["fork"],
}  # fmt: skip


@pytest.mark.parametrize("query", CASES)
def test_a_query_finds_what_it_says(ada: Actor, runs: dict[str, Run], query: str) -> None:
    assert sorted(found(ada, query)) == sorted(CASES[query])
    if query == "sort:created":
        assert found(ada, query) == CASES[query]
    elif "sort:-cost" in query:
        assert found(ada, query)[0] == "login"


def test_every_key_is_tried(runs: dict[str, Run]) -> None:
    tried = " ".join([*CASES, "run: root:"])
    assert [
        name for name in [*KEYS, *(f"{scope}(" for scope in SCOPES)] if f"{name.rstrip('(')}" not in tried
    ] == []


def test_runs_are_found_by_their_ids_and_those_of_their_relatives(ada: Actor, runs: dict[str, Run]) -> None:
    login = runs["login"]
    for text in (str(login.id), login.id.hex[:20], f"run:{login.id}", f"run:{login.id.hex[:20]}"):
        assert found(ada, text) == ["login"], text
    assert found(ada, f"parent:{login.id}") == ["child"]
    assert sorted(found(ada, f"root:{login.id}")) == ["child", "login"]
    assert found(ada, f"fork:{login.id}") == ["fork"]


@pytest.mark.parametrize(
    ("title", "text"),
    [
        ("Audit of payments-core", "pay"),
        ("Audit of payments-core", "payments-core"),
        ("Audit of payments-core", '"of payments"'),
        ("Read docs.example.org/a?b=c", "example"),
        ("Prüfung über Straßen", "strassen OR Straß"),
        ("Größe", "GRÖSSE OR größe"),
        ("日本語 の ページ", "日本"),
        ("O'Brien's 50% \\d", "o'brien"),
        ("a_b c", "b"),
    ],
)
def test_words_are_found_by_their_beginnings(
    ada: Actor, version: AgentVersion, title: str, text: str
) -> None:
    titled(version, title)
    titled(version, "something else")
    assert found(ada, text) == [title]


@pytest.mark.parametrize("text", ["ayments", '"core payments"', "a.*t", "50%%", "audi paym core zebra"])
def test_words_are_not_found_by_their_middles(ada: Actor, version: AgentVersion, text: str) -> None:
    titled(version, "Audit of payments-core")
    assert found(ada, text) == []


def test_marks_alone_are_refused(ada: Actor) -> None:
    with pytest.raises(BadQueryError, match="no letter or digit") as refused:
        found(ada, "audit %")
    assert refused.value.data["position"] == 6


def test_days_begin_as_in_the_zone_of_the_reader(ada: Actor, version: AgentVersion, settings: Any) -> None:
    settings.TIME_ZONE = "Pacific/Kiritimati"
    midnight = builders.database_now().replace(hour=0, minute=0, second=0, microsecond=0)
    titled(version, "then")
    Run.objects.update(created_at=midnight + timedelta(hours=11))  # 14 hours ahead: the next day there
    day = f"{midnight + timedelta(days=1):%Y-%m-%d}"
    assert found(ada, f"created:{day}") == ["then"]
    assert found(ada, f"created:{midnight:%Y-%m-%d}") == []


# ---- how far a page looks


@pytest.fixture
def few_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Walks of some rows, so that a few runs are many."""
    for name, rows in (("SHORT_WALK", 4), ("LONG_WALK", 7), ("COSTLY_WALK", 5), ("RARE_RUNS", 6)):
        monkeypatch.setattr(walk, name, rows)


def pages(ada: Actor, text: str, limit: int) -> list[str]:
    """Return what all pages have together; none may be skipped, doubled, or out of order."""
    shown, cursor = [], ""
    for _ in range(100):
        page = run_list_for(ada, text=text, cursor=cursor, limit=limit)
        shown += [run.title for run in page.items]
        if page.next_cursor is None:
            return shown
        cursor = page.next_cursor
    raise AssertionError("the pages never end")


@pytest.mark.usefixtures("few_rows")
@pytest.mark.parametrize(
    "text",
    [
        "", "status:failed", "status:failed,cancelled", "retries:>0", "status:failed,cancelled retries:>0",
        "agent:site-research,code-audit retries:>0", "status:failed,succeeded agent:code-audit", "tag:rare", "tag:common",
        "common", "common retries:>0", "rare", "-rare", "rare OR tag:common", "is:open", "step(kind:tool)",
        "sort:created retries:>0", "sort:created", "sort:created status:failed,cancelled retries:>0", "status:failed status:paused",
    ],
)  # fmt: skip
def test_the_pages_of_any_query_together_have_all_it_finds(
    ada: Actor, version: AgentVersion, team: Team, text: str
) -> None:
    other = builders.an_agent(team, "code-audit")
    for n in range(30):
        status = ("succeeded", "failed", "succeeded", "cancelled", "queued")[n % 5]
        builder = RunBuilder(
            other if n % 3 else version,
            title=f"common n{n}{' rare' if n % 11 == 3 else ''}",
            seconds_ago=1000 - n // 2,
        )
        builder.save(status=status, n_retries=n % 4 == 0, tags=["common", *(["rare"] if n % 13 == 1 else [])])
    whole = [run.title for run in Run.objects.order_by("-created_at", "-id")]
    expected = set(found_slowly(text))
    for limit in (1, 2, 5):
        together = pages(ada, text, limit)
        assert len(together) == len(set(together))
        assert set(together) == expected
        if "sort" not in text:
            assert together == [title for title in whole if title in expected]


def found_slowly(text: str) -> list[str]:
    """Return the same by Django alone."""
    runs = Run.objects.select_related("agent")
    tests: dict[str, Any] = {
        "status:failed": lambda run: run.status == "failed",
        "status:paused": lambda run: run.status == "paused",
        "status:failed,cancelled": lambda run: run.status in ("failed", "cancelled"),
        "status:failed,succeeded": lambda run: run.status in ("failed", "succeeded"),
        "retries:>0": lambda run: run.n_retries > 0,
        "agent:site-research,code-audit": lambda run: True,
        "agent:code-audit": lambda run: run.agent.slug == "code-audit",
        "tag:rare": lambda run: "rare" in run.tags,
        "tag:common": lambda run: "common" in run.tags,
        "common": lambda run: True,
        "rare": lambda run: "rare" in run.title or "rare" in run.tags,
        "-rare": lambda run: "rare" not in run.title and "rare" not in run.tags,
        "is:open": lambda run: run.status == "queued",
        "step(kind:tool)": lambda run: Step.objects.filter(run=run, kind="tool").exists(),
        "sort:created": lambda run: True,
    }
    if text == "rare OR tag:common":
        return [run.title for run in runs]
    return [run.title for run in runs if all(tests[part](run) for part in text.split())]


@pytest.mark.usefixtures("few_rows")
def test_a_page_that_did_not_look_at_all_runs_can_be_gone_on_from(ada: Actor, version: AgentVersion) -> None:
    titled(version, "needle", seconds_ago=9000, n_retries=1)
    for n in range(20):
        titled(version, f"hay {n}", seconds_ago=100 + n)
    first = run_list_for(ada, text="retries:>0")
    assert (first.items, first.next_cursor is None) == ([], False)
    assert pages(ada, "retries:>0", 50) == ["needle"]


def test_a_sorted_list_has_pages_too(ada: Actor, version: AgentVersion) -> None:
    for n in range(7):
        titled(version, f"{n}", cost_microusd=1000 * (n // 2))
    assert sorted(pages(ada, "sort:-cost", 2)) == [f"{n}" for n in range(7)]
    assert pages(ada, "sort:-cost", 2)[0] == "6"
    with pytest.raises(BadQueryError, match="not one of this list"):
        run_list_for(ada, text="sort:-cost", cursor=run_list_for(ada, limit=1).next_cursor or "")
