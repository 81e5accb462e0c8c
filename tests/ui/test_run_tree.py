"""The tree of the run page: folds, idle time, what runs now, and the stretches that are fetched."""

import re
from datetime import timedelta
from urllib.parse import parse_qs

import pytest
from django.test import Client

from runs.models import AgentVersion, Step
from runs.selectors.console import material, overview, tree
from tests.ui import stories
from tests.ui.builders import Action, RunBuilder
from tests.ui.conftest import See
from tests.ui.reading import attribute, below, one, row_named, rows, words

pytestmark = pytest.mark.django_db


def test_many_alike_are_folded_with_what_failed_in_sight(see: See, version: AgentVersion) -> None:
    shown = see(f"/runs/{stories.a_crawl(version).id}")
    fold = row_named(shown, "× 114")
    assert words(fold).startswith("read × 114 1 failed 4 retried p50")
    assert fold["aria-expanded"] == "false"
    shown_below = below(fold)
    assert len(shown_below) == 2
    assert shown_below[0].startswith("read contextlib.61.html an action failed")
    assert shown_below[1].startswith("http.get https://docs.example.org/contextlib.61.html Failed 3 attempts")
    told = "237 steps, 11 shown (226 folded) · 3 m 30 s active, 41 h 25 m idle"
    assert words(one(shown, "#tree-count")) == told
    assert words(one(shown, ".errors a:not(.sr)")) == "1 error"


def test_a_loop_of_several_names_is_one_fold(see: See, version: AgentVersion) -> None:
    b = RunBuilder(version)
    b.node("plan")
    for _ in range(12):
        b.node("think")
        b.node("act")
    b.node("finish")
    names = rows(see(f"/runs/{b.save().id}"))
    assert [name.split(" p50")[0] for name in names[:2]] == ["plan 50 ms", "think → act × 12"]
    assert names[-1].startswith("finish")


def test_few_alike_and_steps_of_different_names_stay_open(see: See, version: AgentVersion) -> None:
    b = RunBuilder(version)
    for name in ("plan", "read", "read", "read", "read", "read", "draft", "publish"):
        b.node(name)
    assert [row.split()[0] for row in rows(see(f"/runs/{b.save().id}"))] == [
        "plan", "read", "read", "read", "read", "read", "draft", "publish",
    ]  # fmt: skip


def test_many_alike_actions_inside_a_node_are_folded_too(see: See, version: AgentVersion) -> None:
    b = RunBuilder(version)
    b.node("gather", actions=[Action(args={"n": str(n)}) for n in range(30)])
    b.node("end")
    shown = rows(see(f"/runs/{b.save().id}"))
    assert [row.split(" p50")[0] for row in shown] == ["gather 12 s", "http.get × 30", "end 50 ms"]


def test_a_fold_is_opened_in_pages(see: See, version: AgentVersion) -> None:
    run = stories.a_long_run(version, 500)
    fold = row_named(see(f"/runs/{run.id}"), "× 250")
    first = see(one(fold, "[data-fetch]")["data-fetch"])
    assert len(first.select("[role=row][id]")) == 120
    assert first.select("[role=row]")[0]["aria-level"] == "2"
    second = see(one(first, "[data-more]")["data-more"])
    third = see(one(second, "[data-more]")["data-more"])
    assert len(third.select("[role=row]")) == 10
    seqs = [row["id"] for part in (first, second, third) for row in part.select("[role=row][id]")]
    assert len(set(seqs)) == 250


@pytest.fixture
def narrow_window(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a read look at forty siblings, and sum up what is a few dozen steps old."""
    monkeypatch.setattr(tree, "WINDOW", 40)
    monkeypatch.setattr(material, "WINDOW", 40)
    monkeypatch.setattr(overview, "KEPT_STEPS", 64)
    monkeypatch.setattr(overview, "_kept", {})


@pytest.mark.usefixtures("narrow_window")
@pytest.mark.parametrize("n_names", [1, 3, 97])
def test_windows_miss_no_node_and_no_count(see: See, version: AgentVersion, n_names: int) -> None:
    run = stories.a_long_run(version, 500, n_names=n_names)
    part, covered = see(f"/runs/{run.id}/tree"), set[int]()
    assert words(one(part, "#tree-count")).startswith("500 steps, ")
    while True:
        for row in part.select(".chunk > [role=row][aria-level='1']"):
            assert int(str(row["aria-setsize"])) == 250
            fetch = (
                parse_qs(attribute(one(row, "[data-fetch]"), "data-fetch")) if "sf" in str(row["id"]) else {}
            )
            first, last = (
                (int(fetch[name][0]) for name in ("first", "last"))
                if fetch
                else [int(str(row["id"])[1:])] * 2
            )
            assert not covered & {first, last}
            covered |= {*range(first, last + 1, 2)}
        more = part.select("[hx-trigger='intersect once']")
        if not more:
            break
        part = see(attribute(more[0], "hx-get"))
    assert covered == {*range(1, 500, 2)}


@pytest.mark.usefixtures("narrow_window")
def test_a_node_with_many_actions_offers_the_rest(see: See, version: AgentVersion) -> None:
    b = RunBuilder(version)
    b.node("plan")
    b.node("gather", actions=[Action(args={"n": str(n)}) for n in range(100)])
    b.node("end")
    part, seen = see(f"/runs/{b.save().id}"), 0
    assert "shown of the first" in words(one(part, "#tree-count")) or "here so far" in words(
        one(part, "#tree-count")
    )
    for _ in range(5):
        seen += sum(int(found) for found in re.findall(r"http.get × (\d+)", words(part)))
        more = part.select("[data-more]")
        if not more:
            break
        part = see(attribute(more[0], "data-more"))
    assert seen == 100


@pytest.mark.usefixtures("narrow_window")
def test_what_is_summed_up_is_what_is_read_at_once(
    see: See, version: AgentVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = stories.a_crawl(version)
    summed = see(f"/runs/{run.id}")
    monkeypatch.setattr(overview, "KEPT_STEPS", 1 << 40)
    monkeypatch.setattr(overview, "_kept", {})
    whole = see(f"/runs/{run.id}")
    assert words(one(summed, "#tree-count")) == words(one(whole, "#tree-count"))
    assert rows(summed) == rows(whole)
    assert len(summed.select(".minimap rect.f-bad")) == len(whole.select(".minimap rect.f-bad")) == 1


def test_a_node_in_a_fold_opens_its_actions(see: See, version: AgentVersion) -> None:
    run = stories.a_crawl(version, n_pages=20)
    fold = row_named(see(f"/runs/{run.id}"), "× 20")
    inside = see(one(fold, "[data-fetch]")["data-fetch"])
    retried = next(row for row in inside.select("[role=row]") if "decimal.17.html" not in words(row) and "2 attempts" in words(row))  # fmt: skip
    actions = see(one(retried, "[data-fetch]")["data-fetch"])
    assert "http.get" in words(actions)
    assert actions.select("[role=row]")[0]["aria-level"] == "3"


def test_idle_time_is_folded_and_named(see: See, version: AgentVersion) -> None:
    shown = see(f"/runs/{stories.a_crawl(version).id}")
    assert "41 h 10 m waiting (folded)" in rows(shown)
    assert len(shown.select(".minimap path.gap")) == 2
    sleeping = see(f"/runs/{stories.a_crawl(version, finish='sleeping').id}")
    assert any(row.endswith("waiting so far (folded)") for row in rows(sleeping))


def test_what_runs_now_has_a_row_and_its_finished_actions(see: See, version: AgentVersion) -> None:
    run = stories.a_crawl(version, finish="running", seconds_ago=600.0)
    shown = see(f"/runs/{run.id}")
    now = row_named(shown, "itertools.57.html")
    assert now["aria-selected"] == "true"
    assert one(now, "[data-ticking]")
    assert [row.split()[0] for row in below(now)] == ["http.get", "text.summarise"]
    assert words(one(shown, "#inspector-title")) == "read"
    assert "State it begins with" in words(one(shown, "#inspector"))


def test_what_a_retry_replaced_is_dimmed(see: See, version: AgentVersion) -> None:
    b = RunBuilder(version)
    old = Action(
        args={"url": "/old"}, is_superseded=True, status="failed", output={"code": "x", "message": "y"}
    )
    b.node("read", actions=[old, Action(args={"url": "/new"})], attempts=2)
    shown = see(f"/runs/{b.save().id}")
    assert "old" in row_named(shown, "/old")["class"]
    assert "Superseded" in words(row_named(shown, "/old"))
    assert "error" not in words(one(shown, ".run-tree .bar"))


def test_a_run_cut_short_still_shows_what_its_last_node_did(see: See, version: AgentVersion) -> None:
    b = RunBuilder(version)
    seq = b.node("read", is_done=False, actions=[Action(args={"url": "/a"})])
    run = b.save(status="cancelled", node="read", node_seq=seq, node_at=b.created_at)
    assert "cut short" in words(row_named(see(f"/runs/{run.id}"), "read"))
    assert "/a" in " ".join(rows(see(f"/runs/{run.id}")))


def test_a_step_has_an_address_of_its_own_even_inside_a_fold(see: See, version: AgentVersion) -> None:
    run = stories.a_crawl(version)
    seq = Step.objects.get(run=run, summary__endswith="enum.100.html", kind="tool").seq
    shown = see(f"/runs/{run.id}/steps/{seq}")
    assert "enum.100.html" in words(one(shown, "[role=row][aria-selected=true]"))
    assert "step 204 · tool in read" in words(one(shown, "#inspector .crumb"))
    assert see(f"/runs/{run.id}/steps/99999", status=404)


def test_a_step_far_down_a_long_tree_is_on_its_page(see: See, version: AgentVersion) -> None:
    run = stories.a_long_run(version, 2000, n_names=97)
    shown = see(f"/runs/{run.id}/steps/1801")
    assert one(shown, "#s1801")["aria-selected"] == "true"
    assert one(shown, "#s1801")["aria-posinset"] == "901"
    assert words(shown.select("[role=row]")[0]).startswith("read15")
    assert words(one(shown, ".window")) == "Show the steps before"


def test_a_long_tree_comes_in_stretches_that_miss_nothing(see: See, version: AgentVersion) -> None:
    run = stories.a_long_run(version, 1000, n_names=97)
    part, seen = see(f"/runs/{run.id}/steps/1"), list[str]()
    while True:
        seen += [attribute(row, "id") for row in part.select("[role=row][id]")]
        more = part.select("[hx-trigger='intersect once']")
        if not more:
            break
        part = see(more[0]["hx-get"])
    assert seen == [f"s{seq}" for seq in range(1, 1001)]
    assert part.select("#tail")


def test_a_live_tail_asks_for_what_came_behind_it(see: See, version: AgentVersion) -> None:
    b = RunBuilder(version, seconds_ago=60)
    for name in ("plan", "read", "draft"):
        b.node(name)
    run = b.save(status="running")
    tail = one(see(f"/runs/{run.id}"), "#tail[data-tail]")
    assert words(tail.select("[role=row]")[0]).startswith("draft")
    Step.objects.create(
        run=run, seq=4, team_id=run.team_id, kind="node", name="publish", status="succeeded", epoch=1,
        started_at=b.clock, ended_at=b.clock + timedelta(seconds=1),
    )  # fmt: skip
    fresh = see(tail["hx-get"], target="tail")
    assert [words(row).split()[0] for row in fresh.select("[role=row]")] == ["draft", "publish"]
    assert words(one(fresh, "#tree-count[hx-swap-oob=true]")) == "4 steps"
    assert one(see(f"/runs/{run.id}/tree/map", target="minimap"), "#minimap[data-slow] svg")


def test_next_error_goes_round(ada: Client, version: AgentVersion) -> None:
    b = RunBuilder(version)
    bad = Action(status="failed", output={"code": "x", "message": "y"})
    for _ in range(3):
        b.node("read", actions=[bad])
    run = b.save()
    found, here = [], 0
    for _ in range(4):
        here = int(ada.get(f"/runs/{run.id}/errors?from={here}").headers["Location"].rsplit("/", 1)[1])
        found.append(here)
    assert found == [2, 4, 6, 2]
    assert ada.get(f"/runs/{run.id}/errors?from=2&back=1").headers["Location"].endswith("/steps/6")
    assert ada.get(f"/runs/{RunBuilder(version).save().id}/errors").status_code == 404
