"""What a node gets from its context, and what it cannot do once it was told to stop."""

import contextlib
import inspect
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from agentops.common.canonical import NotJsonError
from runs.engine.context import Call, Context
from runs.engine.control import Cancelled, ControlSignal, LeaseLost, SliceOver, Suspend
from runs.engine.errors import ActionFailedError, CommandError, NondeterminismError
from runs.engine.frozen import FrozenDict
from runs.engine.journal import Execute, NodeJournal, Recorded, Request
from runs.engine.premises import file_sha256
from runs.engine.waits import event

CALLS: dict[str, Callable[[Context], Any]] = {
    "tool": lambda ctx: ctx.tool("crm.read", id=1),
    "gather": lambda ctx: ctx.gather(Call("crm.read", id=1)),
    "sleep": lambda ctx: ctx.sleep(1),
    "wait_for": lambda ctx: ctx.wait_for(event("paid"), on_timeout=None),
    "wait_for_all": lambda ctx: ctx.wait_for_all(event("paid"), on_timeout=None),
    "approve": lambda ctx: ctx.approve("pay", on_timeout=None),
    "approved_tool": lambda ctx: ctx.approved_tool("crm.write", premises=[file_sha256("prices.csv")]),
    "llm": lambda ctx: ctx.llm("why?"),
    "ask": lambda ctx: ctx.ask("why?", on_timeout=None),
    "start_child": lambda ctx: ctx.start_child("clerk", {}),
    "run_child": lambda ctx: ctx.run_child("clerk", {}),
    "map_children": lambda ctx: ctx.map_children("clerk", [{}]),
    "child_outputs": lambda ctx: ctx.child_outputs(UUID(int=1)),
    "now": lambda ctx: ctx.now(),
    "random": lambda ctx: ctx.random(),
    "notes": lambda ctx: ctx.notes(after=0),
    "worked_seconds": lambda ctx: ctx.worked_seconds(),
    "progress": lambda ctx: ctx.progress(1, 2),
    "log": lambda ctx: ctx.log("line"),
}
SIGNALS = [Suspend(1.0), Cancelled(), LeaseLost(), SliceOver()]


class Shell:
    """Answers every action with `answer`, or raises it, and counts what it was asked."""

    def __init__(self, answer: Any = None) -> None:
        self.answer = answer
        self.asked: list[Any] = []

    def perform(self, actions: Sequence[Execute], max_parallel: int) -> list[Recorded]:
        return [self._perform(action) for action in actions]

    def _perform(self, action: Execute) -> Recorded:
        self._note(action)
        error = self.answer if isinstance(self.answer, dict) and "code" in self.answer else None
        return Recorded(
            action.seq, action.ordinal, action.request.name, action.request_hash, "succeeded", attempts=4,
            output=None if error else self.answer, error=error,
        )  # fmt: skip

    def now_iso(self) -> str:
        return str(self._note("2026-01-01T00:00:00Z"))

    def random(self) -> float:
        return float(self._note(0.5))

    def worked_seconds(self) -> float:
        return float(self._note(0.5))

    def notes_behind(self, after: int) -> list[Any]:
        return [self._note({"n": after + 1})]

    def progress(self, done: int, total: int | None, note: str) -> None:
        self._note((done, total, note))

    def log(self, level: str, message: str) -> None:
        self._note((level, message))

    def workspace(self) -> Path:
        return Path(str(self._note("/workspace")))

    def _note(self, what: Any) -> Any:
        self.asked.append(what)
        if isinstance(self.answer, BaseException):
            raise self.answer
        return what


def a_context(shell: Shell, *recorded: Recorded) -> Context:
    journal = NodeJournal(recorded, next_seq=2, max_actions=10)
    return Context(shell, journal, run_id=UUID(int=2), agent="clerk", attempt=1)


def a_record(name: str, ordinal: int, **more: Any) -> Recorded:
    request = Request("tool", name, {})
    return Recorded(ordinal + 2, ordinal, name, request.hash(), **{"status": "succeeded", **more})


def test_the_calls_of_these_tests_are_all_that_there_are() -> None:
    public = {name for name, _ in inspect.getmembers(Context, inspect.isfunction) if not name.startswith("_")}
    assert set(CALLS) == public


@pytest.mark.parametrize("second", CALLS)
@pytest.mark.parametrize("first", CALLS)
@pytest.mark.parametrize("signal", SIGNALS, ids=lambda signal: type(signal).__name__)
def test_after_a_control_signal_every_call_raises_it_again(
    signal: ControlSignal, first: str, second: str
) -> None:
    shell = Shell(signal)
    ctx = a_context(shell)
    with pytest.raises(type(signal)):
        CALLS[first](ctx)
    shell.answer = "the world is well again"
    asked = list(shell.asked)
    with pytest.raises(type(signal)) as caught:
        CALLS[second](ctx)
    assert caught.value is signal
    assert shell.asked == asked


@pytest.mark.parametrize("name", CALLS)
def test_a_signal_holds_on_ground_that_an_earlier_execution_covered(name: str) -> None:
    ctx = a_context(Shell(), a_record("crm.read", 0))
    ctx.signal = Suspend(1.0)
    with pytest.raises(Suspend):
        CALLS[name](ctx)


def test_a_wrong_argument_does_not_hide_a_signal() -> None:
    ctx = a_context(Shell())
    ctx.signal = LeaseLost()
    wrong = {1, 2}
    for call in (
        lambda: ctx.sleep(-1), lambda: ctx.tool("crm.read", what=wrong), lambda: ctx.gather(Call("crm", what=wrong)),
    ):  # fmt: skip
        with pytest.raises(LeaseLost):
            call()


@pytest.mark.parametrize("signal", SIGNALS, ids=lambda signal: type(signal).__name__)
def test_an_agent_cannot_swallow_a_signal_as_an_error(signal: ControlSignal) -> None:
    with pytest.raises(type(signal)):
        call_and_catch(a_context(Shell(signal)))


def call_and_catch(ctx: Context) -> None:
    with contextlib.suppress(Exception):
        ctx.tool("crm.read")


def test_what_a_tool_returns_is_read_only() -> None:
    found = a_context(Shell({"pages": [1]})).tool("crm.read")
    assert found == {"pages": [1]}
    assert isinstance(found, FrozenDict)


def test_an_action_is_asked_for_with_clean_arguments() -> None:
    shell = Shell()
    a_context(shell).tool("crm.read", text="a\0b", pair=(1, 2))
    assert shell.asked[0].request == Request("tool", "crm.read", {"text": "a\ufffdb", "pair": [1, 2]})


def test_an_argument_that_json_cannot_hold_is_named() -> None:
    shell = Shell()
    with pytest.raises(NotJsonError, match="type set is not JSON at /filter/tags"):
        a_context(shell).tool("crm.read", filter={"tags": {1}})
    assert shell.asked == []


def test_a_failed_action_says_what_failed_and_how_often_it_was_tried() -> None:
    with pytest.raises(ActionFailedError, match=r"crm\.read failed after 4 attempts: busy") as caught:
        a_context(Shell({"code": "rate_limited", "message": "busy"})).tool("crm.read")
    assert (caught.value.name, caught.value.error_code, caught.value.attempts) == (
        "crm.read",
        "rate_limited",
        4,
    )


def test_recorded_outcomes_do_not_reach_the_shell() -> None:
    shell = Shell()
    failed = a_record("crm.write", 1, status="failed", error={"code": "no", "message": "no"}, attempts=1)
    ctx = a_context(shell, a_record("crm.read", 0, output=7, riders=["noon"]), failed)
    assert ctx.now() == "noon"
    assert ctx.tool("crm.read") == 7
    with pytest.raises(ActionFailedError, match="after 1 attempt: no"):
        ctx.tool("crm.write")
    assert shell.asked == []


def test_a_log_line_is_written_once_however_often_the_node_runs() -> None:
    shell = Shell()
    ctx = a_context(shell, a_record("crm.read", 0))
    ctx.log("was written when the action was recorded")
    ctx.tool("crm.read")
    ctx.log("is new", level="warning")
    assert shell.asked == [("warning", "is new")]


def test_another_action_than_the_recorded_one_is_refused() -> None:
    shell = Shell()
    with pytest.raises(NondeterminismError):
        a_context(shell, a_record("crm.read", 0)).tool("crm.write")
    assert shell.asked == []


@pytest.mark.parametrize("seconds", [-1, float("nan"), float("inf"), 1e12, "5", None, True])
def test_a_sleep_needs_a_length_of_time(seconds: Any) -> None:
    shell = Shell()
    with pytest.raises(CommandError, match=r"ctx\.sleep needs a number of seconds from 0 to"):
        a_context(shell).sleep(seconds)
    assert shell.asked == []


def test_a_sleep_is_an_action_like_any_other() -> None:
    shell = Shell()
    a_context(shell).sleep(90)
    assert shell.asked[0].request == Request("wait", "sleep", {"seconds": 90})
