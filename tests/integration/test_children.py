"""A run may start others: each once, under one tree, and their ends come back to it."""

from typing import Any

import pytest

from agentops.accounts.roles import Actor, Scope
from runs.checkpoints.verify import mac_of_end
from runs.engine.control import LeaseLost
from runs.journal.fence import execute
from runs.models import Run, Step
from runs.services.advance import advance
from runs.services.kill_run import kill_run
from runs.services.retry_run import retry_run
from runs.services.sweep import wake_due
from runs.services.wake_run import wake_run
from tests.runs import a_run, a_team, a_worker, claim, make_due, output

pytestmark = pytest.mark.django_db


def ada() -> Actor:
    return Actor(a_team().pk, None, "Ada", frozenset(Scope))


def starts(how: str, agent: str = "test-stubborn", **state: Any) -> Run:
    """Return a parent that has not begun."""
    return a_run("test-starts", {"how": how, "agent": agent, **state})


def work(slices: int = 500) -> None:
    """Execute what is queued, and retries as if their time had come, until nothing is."""
    worker_id = a_worker()
    for _ in range(slices):
        if not Run.objects.filter(status="queued").exists():
            for run in Run.objects.filter(status="sleeping", waiting_on__kind="retry"):
                make_due(run)
            wake_due()
        if not Run.objects.filter(status="queued").exists():
            return
        advance(claim(worker_id))
    raise AssertionError(f"there is still work after {slices} slices")


def put_out(child: Run, output: bytes) -> None:
    """Make the child one that has succeeded after all."""
    Run.objects.filter(pk=child.pk).update(status="succeeded", error=None, output=output, output_codec=0)
    Run.objects.filter(pk=child.pk).update(end_mac=mac_of_end(Run.objects.get(pk=child.pk)))


def again(run: Run) -> Run:
    run.refresh_from_db()
    return run


def children(run: Run) -> list[Run]:
    return list(Run.objects.filter(parent=run).order_by("id"))


class TestStarting:
    def test_a_child_stands_under_its_parent_and_the_node_goes_on(self) -> None:
        parent = starts(
            "start",
            input={"how": "ok", "n": 7},
            more={"title": "Seven", "tags": ["a"], "on_parent_end": "abandon"},
        )
        work()
        [child] = children(parent)
        assert output(again(parent)) == {"run_id": str(child.pk), "agent": "test-stubborn"}
        assert (child.root_id, child.depth, child.parent_seq, child.team_id) == (
            parent.pk,
            1,
            2,
            parent.team_id,
        )
        assert (child.title, child.tags, child.status, output(child)) == (
            "Seven",
            ["a"],
            "succeeded",
            {"n": 7},
        )
        step = Step.objects.get(run=parent, seq=2)
        assert (step.kind, step.name, step.status, step.summary) == (
            "child_run", "test-stubborn", "succeeded", "run of test-stubborn",
        )  # fmt: skip

    def test_it_is_started_once_when_the_worker_dies_before_it_is_recorded(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        parent = starts("start", input={"how": "ok"}, more={"on_parent_end": "abandon"})
        monkeypatch.setattr("runs.journal.actions.ActionJournal.finish", _dies)
        advance(claim(a_worker()))
        monkeypatch.undo()
        [child] = children(parent)
        execute(
            "UPDATE runs_run SET status = 'queued', worker_id = NULL WHERE id = %(id)s", {"id": parent.pk}
        )
        work()
        assert [run.pk for run in children(parent)] == [child.pk]
        assert output(again(parent))["run_id"] == str(child.pk)

    def test_a_worker_that_lost_its_lease_starts_none(self) -> None:
        parent = starts("start", input={"how": "ok"})
        claimed = claim(a_worker())
        kill_run(actor=ada(), run_id=parent.pk)
        advance(claimed)
        assert children(parent) == []

    def test_its_end_may_be_waited_for(self) -> None:
        parent = starts("wait_for", input={"how": "ok", "n": 3})
        work()
        came = output(again(parent))
        assert (came["kind"], came["name"], came["status"], came["output"]) == (
            "child",
            "test-stubborn",
            "succeeded",
            {"n": 3},
        )

    @pytest.mark.parametrize(
        ("agent", "given", "code", "told"),
        [
            ("test-stuborn", {"how": "ok"}, "not_found", "did you mean test-stubborn"),
            ("test-stubborn", {"how": "maybe"}, "invalid_input", "does not fit at /input/how"),
            ("test-stubborn", {"how": "ok", "n": "x"}, "invalid_input", "does not fit at /input/n"),
        ],
    )
    def test_what_cannot_be_started_fails_the_action_and_says_why(
        self, agent: str, given: Any, code: str, told: str
    ) -> None:
        parent = starts("start", agent, input=given)
        work()
        assert again(parent).status == "failed"
        assert told in parent.error["message"]
        step = Step.objects.get(run=parent, seq=2)
        assert (step.status, step.error_code) == ("failed", code)
        assert children(parent) == []

    def test_a_tree_grows_only_so_deep(self, settings: Any) -> None:
        settings.AGENTOPS = {"child_max_depth": 3}
        state: dict[str, Any] = {"how": "ok"}
        agent = "test-stubborn"
        for _ in range(4):
            state, agent = {"how": "run", "agent": agent, "input": state}, "test-starts"
        root = a_run(agent, state)
        work()
        assert again(root).status == "failed"
        assert Run.objects.filter(root_id=root.pk).count() == 4
        deepest = Run.objects.get(depth=3)
        assert "4 levels below the root of its tree; at most 3 are allowed" in deepest.error["message"]


class TestRunChild:
    def test_it_gives_what_the_child_put_out(self) -> None:
        parent = starts("run", input={"how": "ok", "n": 5})
        advance(claim(a_worker()))
        assert (again(parent).status, parent.waiting_on["text"]) == ("waiting", "run of test-stubborn")
        work()
        assert output(again(parent)) == {"n": 5}

    def test_a_child_that_failed_fails_it(self) -> None:
        parent = starts("run", input={"how": "fail"})
        work()
        [child] = children(parent)
        assert again(parent).status == "failed"
        assert parent.error["code"] == "child_failed"
        assert parent.error["message"].endswith(
            f"the run of test-stubborn did not succeed: run {child.pk} failed: it had to be"
        )

    def test_a_retry_of_the_parent_starts_another_in_its_place(self) -> None:
        parent = starts("run", input={"how": "fail"})
        work()
        retry_run(actor=ada(), run_id=parent.pk)
        work()
        assert [child.status for child in children(parent)] == ["failed", "failed"]

    def test_a_retry_of_the_parent_takes_what_has_succeeded_since(self) -> None:
        parent = starts("run", input={"how": "fail"})
        work()
        [child] = children(parent)
        put_out(child, b'{"n":1}')
        retry_run(actor=ada(), run_id=parent.pk)
        work()
        assert output(again(parent)) == {"n": 1}
        assert [run.pk for run in children(parent)] == [child.pk]

    def test_an_output_that_is_not_what_the_child_put_out_fails_it(self) -> None:
        parent = starts("run", input={"how": "ok"})
        advance(claim(a_worker()))
        advance(claim(a_worker()))
        [child] = children(parent)
        Run.objects.filter(pk=child.pk).update(output=b'{"n":99}')
        work()
        assert again(parent).status == "failed"
        assert parent.error["code"] == "integrity_failed"
        assert "integrity_failed" in again(child).health

    def test_when_the_time_is_over_the_child_goes_on(self) -> None:
        parent = starts("run", input={"how": "nap"}, more={"on_parent_end": "abandon"})
        work()
        wake_run(actor=ada(), run_id=parent.pk)
        work()
        assert again(parent).error["code"] == "wait_timeout"
        [child] = children(parent)
        assert child.status == "sleeping"


def _dies(*args: Any) -> str:
    """Leave the run as a worker does that is gone."""
    raise LeaseLost
