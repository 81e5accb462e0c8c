"""One action over many children: so many at once, each once, and the parent wakes when it is decided."""

from typing import Any

import pytest

from runs.engine.children import PAGE
from runs.engine.control import LeaseLost
from runs.journal.fence import execute, query
from runs.models import Fanout, Run, Signal, Step
from runs.services import admit_children as admission
from runs.services import start_child
from runs.services.admit_children import admit_children, settle_fanouts
from runs.services.advance import advance
from runs.services.cancel_run import cancel_run
from runs.services.end_children import end_left_children
from runs.services.insert_runs import insert_runs
from runs.services.kill_run import kill_run
from runs.services.pause_run import pause_run
from runs.services.resume_run import resume_run
from runs.services.retry_run import retry_run
from runs.services.sweep import expire_overdue
from runs.services.sweep_waits import tell_parents
from tests.integration.test_children import ada, again, children, starts, work
from tests.runs import a_run, a_worker, claim, drive, output

pytestmark = pytest.mark.django_db
OK: dict[str, Any] = {"how": "ok"}
FAIL: dict[str, Any] = {"how": "fail"}
NAP: dict[str, Any] = {"how": "nap"}


def maps(*inputs: Any, **more: Any) -> Run:
    """Return a parent whose first slice was executed: its children stand."""
    parent = starts("map", inputs=list(inputs), more=more)
    advance(claim(a_worker()))
    return again(parent)


def statuses(parent: Run) -> list[str]:
    return [child.status for child in Run.objects.filter(parent=parent).order_by("child_n")]


class TestMapping:
    def test_the_outputs_come_back_in_order(self) -> None:
        parent = maps(*({**OK, "n": n} for n in range(5)), concurrency=2)
        assert (parent.status, parent.waiting_on["text"]) == ("waiting", "5 runs of test-stubborn")
        work()
        came = output(again(parent))
        assert [
            (entry["index"], entry["status"], entry["output"]["n"], entry["error"]) for entry in came
        ] == [(n, "succeeded", n, None) for n in range(5)]
        assert [entry["run_id"] for entry in came] == [str(child.pk) for child in children(parent)]

    def test_nothing_to_map_is_no_action(self) -> None:
        parent = maps()
        assert output(parent) == []
        assert not Step.objects.filter(run=parent, kind="child_run").exists()

    def test_only_so_many_are_under_way_and_the_others_wait_for_their_turn(self) -> None:
        parent = maps(*[OK] * 5, concurrency=2)
        assert statuses(parent) == ["queued", "queued", "waiting", "waiting", "waiting"]
        assert Run.objects.filter(parent=parent, child_n=4).get().waiting_on["kind"] == "turn"
        advance(claim(a_worker()))
        assert sorted(statuses(parent)[:2]) == ["queued", "succeeded"]
        assert statuses(parent)[2:] == ["queued", "waiting", "waiting"]

    def test_the_parent_is_not_executed_until_all_have_ended(self) -> None:
        parent = maps(*[OK] * 6, concurrency=3)
        claims = parent.claims
        work()
        assert again(parent).claims == claims + 1

    def test_children_have_titles_by_number_and_a_batch(self) -> None:
        parent = maps(OK, OK, title="Part", batch_id="audit-1", tags=["x"])
        assert [(c.title, c.batch_id, c.tags) for c in children(parent)] == [
            ("Part 1 of 2", "audit-1", ["x"]), ("Part 2 of 2", "audit-1", ["x"]),
        ]  # fmt: skip

    def test_an_input_that_does_not_fit_starts_nothing_and_is_named(self) -> None:
        parent = starts("map", inputs=[OK, {"how": "no"}, OK])
        work()
        assert children(parent) == []
        assert "does not fit at /inputs/1/how" in again(parent).error["message"]

    def test_large_outputs_are_left_out_and_read_by_reference(self, settings: Any) -> None:
        settings.AGENTOPS = {"children_max_bytes": 20}
        parent = a_run("test-reads-children", {"inputs": [{**OK, "n": n} for n in range(4)]})
        work()
        came = output(again(parent))
        assert [entry.get("is_left_out", False) for entry in came["entries"]] == [False, False, True, True]
        assert came["outputs"] == [{"n": n} for n in range(4)]
        assert came["stranger"].endswith("is no child of this run")


class TestFailures:
    def test_the_first_failure_raises_and_ends_the_others(self) -> None:
        parent = maps(NAP, FAIL, OK, OK, concurrency=2)
        work()
        assert again(parent).status == "failed"
        failed = children(parent)[1]
        assert parent.error["code"] == "child_failed"
        assert f"run {failed.pk} failed: it had to be" in parent.error["message"]
        assert statuses(parent) == ["cancelled", "failed", "cancelled", "cancelled"]
        assert children(parent)[2].claims == 0

    def test_failures_may_be_collected(self) -> None:
        parent = maps(FAIL, OK, FAIL, on_failure="collect", concurrency=1)
        work()
        came = output(again(parent))
        assert [entry["status"] for entry in came] == ["failed", "succeeded", "failed"]
        assert came[0]["error"] == {"code": "stubborn", "message": "it had to be"}

    @pytest.mark.parametrize(("least", "status"), [(1, "succeeded"), (2, "failed")])
    def test_or_so_many_must_succeed(self, least: int, status: str) -> None:
        parent = maps(FAIL, OK, FAIL, on_failure=least, concurrency=3)
        work()
        assert again(parent).status == status

    def test_it_fails_as_soon_as_too_few_can_succeed(self) -> None:
        parent = maps(FAIL, FAIL, NAP, on_failure=2, concurrency=3)
        work()
        assert again(parent).status == "failed"
        assert statuses(parent) == ["failed", "failed", "cancelled"]

    def test_a_child_that_a_person_cancels_in_line_never_begins_and_counts_as_failed(self) -> None:
        parent = maps(OK, OK, OK, concurrency=1, on_failure="collect")
        cancel_run(actor=ada(), run_id=children(parent)[2].pk)
        work()
        came = output(again(parent))
        assert [entry["status"] for entry in came] == ["succeeded", "succeeded", "cancelled"]
        assert came[2]["error"]["code"] == "cancelled"

    def test_one_that_is_paused_in_line_lets_the_next_pass_and_takes_its_turn_later(self) -> None:
        parent = maps(OK, OK, OK, concurrency=1, on_failure="collect")
        paused = children(parent)[1]
        pause_run(actor=ada(), run_id=paused.pk)
        work()
        assert statuses(parent) == ["succeeded", "paused", "succeeded"]
        resume_run(actor=ada(), run_id=paused.pk)
        execute("UPDATE runs_fanout SET created_at = now() - interval '9 s'", {})
        settle_fanouts()
        work()
        assert again(parent).status == "succeeded"

    def test_a_retry_of_the_parent_keeps_what_succeeded(self) -> None:
        parent = maps({**OK, "n": 1}, {**OK, "n": 2}, {**FAIL, "n": 3}, concurrency=1)
        work()
        first, third, second = children(parent)
        assert [first.status, third.status, second.status] == ["succeeded", "succeeded", "failed"]
        retry_run(actor=ada(), run_id=parent.pk)
        work()
        seqs = {child.pk: child.parent_seq for child in children(parent)}
        assert len(seqs) == 4
        assert seqs[first.pk] == seqs[third.pk] != seqs[second.pk]
        assert Fanout.objects.filter(run=parent, done_at=None).count() == 0


class TestWhatBreaksOff:
    def test_children_are_started_once_when_the_worker_dies_in_the_middle(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(start_child, "PAGE", 2)
        calls: list[int] = []

        def dies_in_the_third(*args: Any, **more: Any) -> int:
            calls.append(1)
            if len(calls) == 3:
                raise LeaseLost
            return insert_runs(*args, **more)

        monkeypatch.setattr(start_child, "insert_runs", dies_in_the_third)
        parent = maps(*[OK] * 7, concurrency=7)
        assert (parent.status, statuses(parent)) == ("running", ["waiting"] * 4)
        execute(
            "UPDATE runs_run SET status = 'queued', worker_id = NULL WHERE id = %(id)s", {"id": parent.pk}
        )
        work()
        assert (again(parent).status, statuses(parent)) == ("succeeded", ["succeeded"] * 7)

    def test_a_parent_that_died_before_it_looked_is_looked_after(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with monkeypatch.context() as broken:
            broken.setattr("runs.services.action_shell.admit_children", lambda *_: 0)
            parent = maps(OK, OK)
        assert statuses(parent) == ["waiting", "waiting"]
        assert settle_fanouts() == 0
        execute("UPDATE runs_fanout SET created_at = now() - interval '9 s'", {})
        assert settle_fanouts() == 1
        work()
        assert again(parent).status == "succeeded"

    def test_without_any_hint_the_clock_does_it_all(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("runs.services.advance.tell_family", lambda _: None)
        parent = maps(*[OK] * 5, concurrency=2)
        for _ in range(20):
            work()
            tell_parents()
        assert again(parent).status == "succeeded"

    def test_a_parent_that_was_not_woken_is_woken_later(self, monkeypatch: pytest.MonkeyPatch) -> None:
        parent = maps(OK)
        with monkeypatch.context() as broken:
            broken.setattr(admission, "_tell", lambda *_, **__: None)
            work()
        assert again(parent).status == "waiting"
        execute("UPDATE runs_fanout SET done_at = now() - interval '9 s'", {})
        assert settle_fanouts() == 1
        work()
        assert again(parent).status == "succeeded"

    def test_looking_again_changes_nothing(self) -> None:
        parent = maps(*[OK] * 4, concurrency=2)
        for _ in range(3):
            assert admit_children(parent.pk, 2) == 0
        assert statuses(parent).count("queued") == 2


class TestTheEndOfTheParent:
    """What becomes of open children is for each to say; the clock repeats it."""

    def started(self, mode: str, how: str = "nap") -> tuple[Run, Run]:
        parent = starts("wait_for", input={"how": how}, more={"on_parent_end": mode})
        work()
        [child] = children(parent)
        return again(parent), child

    @pytest.mark.parametrize("end", ["cancel", "kill", "expire"])
    def test_they_are_cancelled_with_it(self, end: str) -> None:
        parent, child = self.started("cascade")
        if end == "expire":
            Run.objects.filter(pk=parent.pk).update(deadline_at="2020-01-01T00:00Z")
            expire_overdue()
            end_left_children()
        else:
            {"cancel": cancel_run, "kill": kill_run}[end](actor=ada(), run_id=parent.pk)
        assert again(child).status == "cancelled"
        assert child.ended_by == "its parent"
        assert str(parent.pk) in child.end_reason

    @pytest.mark.parametrize(
        ("input_", "status"), [({"how": "ok"}, "succeeded"), ({"how": "nonsense"}, "failed")]
    )
    def test_also_when_it_succeeds_or_fails(self, input_: Any, status: str) -> None:
        parent = a_run("test-leaves-children", {"then": input_})
        work()
        assert again(parent).status == status
        assert [child.status for child in children(parent)][:1] == ["cancelled"]

    def test_they_may_be_left_alone(self) -> None:
        parent, child = self.started("abandon")
        kill_run(actor=ada(), run_id=parent.pk)
        end_left_children()
        assert again(child).status == "sleeping"

    def test_or_asked(self) -> None:
        parent, child = self.started("request", "wait")
        cancel_run(actor=ada(), run_id=parent.pk)
        end_left_children()
        drive(child)
        assert output(again(child)) == {"heard": {"run_id": str(parent.pk), "status": "cancelled"}}
        assert Signal.objects.count() == 1

    def test_one_that_a_worker_holds_ends_at_its_next_commit(self) -> None:
        parent, _ = self.started("cascade")
        child = children(parent)[0]
        execute("UPDATE runs_run SET status = 'queued', wake_at = NULL WHERE id = %(id)s", {"id": child.pk})
        claimed = claim(a_worker())
        kill_run(actor=ada(), run_id=parent.pk)
        assert (again(child).status, child.control) == ("running", "cancel")
        advance(claimed)
        assert again(child).status == "cancelled"

    def test_what_the_hint_missed_the_clock_finds(self, monkeypatch: pytest.MonkeyPatch) -> None:
        parent, child = self.started("cascade")
        monkeypatch.setattr("runs.services.control.tell_family", lambda _: None)
        kill_run(actor=ada(), run_id=parent.pk)
        assert again(child).status == "sleeping"
        assert end_left_children() == 1
        assert again(child).status == "cancelled"
        assert end_left_children() == 0

    def test_a_deep_tree_ends_to_its_leaves(self) -> None:
        state: dict[str, Any] = {"how": "nap"}
        agent = "test-stubborn"
        for _ in range(20):
            state, agent = {"how": "run", "agent": agent, "input": state}, "test-starts"
        root = a_run(agent, state)
        work()
        assert set(Run.objects.filter(root_id=root.pk).values_list("status", flat=True)) == {
            "waiting",
            "sleeping",
        }
        kill_run(actor=ada(), run_id=root.pk)
        tree = Run.objects.filter(root_id=root.pk)
        assert (tree.count(), set(tree.values_list("status", flat=True))) == (21, {"cancelled"})
        assert not tree.filter(is_parent=True).exists()

    def test_a_fanout_that_is_left_alone_goes_on_to_its_end(self) -> None:
        parent = maps(*[OK] * 5, concurrency=2, on_parent_end="abandon")
        kill_run(actor=ada(), run_id=parent.pk)
        work()
        assert statuses(parent) == ["succeeded"] * 5


class TestMany:
    def test_a_thousand_children_stand_after_one_slice(self) -> None:
        parent = starts("map", inputs=[{**OK, "n": n} for n in range(1000)])
        advance(claim(a_worker()))
        assert statuses(parent).count("waiting") == 990
        assert query(
            "SELECT count(DISTINCT idempotency_key) FROM runs_run WHERE parent_id = %(id)s", {"id": parent.pk}
        ) == [(1000,)]

    def test_more_than_a_page_is_run_page_after_page(self, monkeypatch: pytest.MonkeyPatch) -> None:
        assert PAGE == 10_000
        monkeypatch.setattr("runs.engine.children.PAGE", 3)
        parent = maps(*({**(FAIL if n == 4 else OK), "n": n} for n in range(7)), on_failure=6, concurrency=3)
        assert len(children(parent)) == 3
        work()
        came = output(again(parent))
        assert [entry["index"] for entry in came] == list(range(7))
        assert [entry["status"] for entry in came].count("succeeded") == 6
