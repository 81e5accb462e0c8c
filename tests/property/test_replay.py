"""Whatever crashes in between: a node that runs again gets what it got before, and every write happens once."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import count
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentops.common.canonical import canonical_bytes
from agentops.common.ids import new_id
from runs.engine.commands import Command, Finish, Goto, Sleep
from runs.engine.context import Call, Context
from runs.engine.errors import NondeterminismError
from runs.engine.journal import Execute, NodeJournal, Recorded, Request, Reuse
from runs.engine.program import Program, node
from runs.engine.tools import Effect, ToolCall, ToolSpec
from runs.tools import registry
from tests.property.stumbling import StumblingRun, StumblingShell
from tests.property.values import json_values

ACTIONS = st.one_of(
    st.tuples(st.just("read"), st.integers(0, 3)),
    st.tuples(st.just("write"), st.integers(0, 3)),
    st.tuples(st.just("gather"), st.integers(0, 3)),
    st.sampled_from([("now", 0), ("random", 0), ("log", 0), ("sleep", 60)]),
)
plans = st.lists(st.lists(ACTIONS, max_size=6), min_size=1, max_size=4)
faults = st.lists(st.sampled_from(["", "", "before", "unrecorded", "after"]), max_size=25)


class Outside:
    """The world: answers that are never the same twice, and a ledger that honours idempotency keys."""

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()
        self.applied: dict[str, int] = {}
        self._answers = count()

    def read(self, call: ToolCall, n: int, since: Any) -> Any:
        return next(self._answers)

    def write(self, call: ToolCall, n: int, since: Any) -> Any:
        self.asked[call.idempotency_key] += 1
        return self.applied.setdefault(call.idempotency_key, next(self._answers))


@contextmanager
def the_tools_of(outside: Outside) -> Iterator[None]:
    tools = {
        "property.read": ToolSpec("property.read", Effect.READ, outside.read),
        "property.write": ToolSpec("property.write", Effect.WRITE, outside.write),
    }
    registry._tools.update(tools)
    try:
        yield
    finally:
        for name in tools:
            del registry._tools[name]


class Planned(Program):
    """Does what the plan in its state says, with the time or chance at hand, and keeps all that it was given."""

    name = "property-planned"

    @node(start=True)
    def step(self, ctx: Context, state: Any) -> Command:
        at = state.get("at", 0)
        ctx.progress(at, len(state["plan"]))
        got: list[Any] = []
        since = None
        for kind, n in state["plan"][at]:
            got.append(self._do(ctx, kind, n, since))
            since = got[-1] if kind in ("now", "random") else since
        if at + 1 == len(state["plan"]):
            return Finish(output=len(state["plan"]), append={"got": got})
        move = Goto("step", set={"at": at + 1}, append={"got": got})
        return Sleep("step", seconds=1, set=move.set, append=move.append) if at % 2 else move

    def _do(self, ctx: Context, kind: str, n: int, since: Any) -> Any:
        if kind == "gather":
            calls = [Call("property.write" if i % 2 else "property.read", n=i, since=since) for i in range(n)]
            return ctx.gather(*calls)
        simple: dict[str, Callable[[], Any]] = {
            "now": ctx.now, "random": ctx.random, "log": lambda: ctx.log("a line"),
        }  # fmt: skip
        if kind in simple:
            return simple[kind]()
        return ctx.sleep(n) if kind == "sleep" else ctx.tool(f"property.{kind}", n=n, since=since)


def played(plan: Any, stumbles: list[str]) -> tuple[StumblingRun, Outside]:
    outside = Outside()
    with the_tools_of(outside):
        shell = StumblingShell(faults=iter(stumbles))
        return StumblingRun(Planned(), {"plan": plan}, shell).play(), outside


def n_writes(plan: Any) -> int:
    return sum({"write": 1, "gather": n // 2}.get(kind, 0) for actions in plan for kind, n in actions)


@given(plans, faults)
def test_a_run_ends_however_often_it_loses_its_worker(plan: Any, stumbles: list[str]) -> None:
    run, _ = played(plan, stumbles)
    assert run.output == len(plan)
    assert run.shell.figures == (len(plan) - 1, len(plan), "")
    assert [len(got) for got in run.state["got"]] == [len(actions) for actions in plan]


@given(plans, faults)
def test_every_write_happens_exactly_once(plan: Any, stumbles: list[str]) -> None:
    run, outside = played(plan, stumbles)
    assert len(outside.applied) == n_writes(plan)
    lost = stumbles.count("unrecorded")
    assert sum(outside.asked.values()) <= n_writes(plan) + lost
    assert lost or set(outside.asked.values()) <= {1}
    assert sorted(outside.applied.values()) == sorted(written(run, plan))


def written(run: StumblingRun, plan: Any) -> list[int]:
    """Return what the writes returned, as the agent saw it in the end."""
    found: list[int] = []
    for actions, got in zip(plan, run.state["got"], strict=True):
        for (kind, _), value in zip(actions, got, strict=True):
            found += [value] if kind == "write" else value[1::2] if kind == "gather" else []
    return found


@given(plans, faults)
def test_what_an_action_was_preceded_by_and_returned_never_changes(plan: Any, stumbles: list[str]) -> None:
    run, _ = played(plan, stumbles)
    assert_same_again(run)


class ForgetfulShell(StumblingShell):
    """The control: a shell that records nothing, under a new identity each time."""

    def perform(self, actions: Sequence[Execute], max_parallel: int) -> list[Recorded]:
        self.journal.clear()
        self.run_id = new_id()
        return super().perform(actions, max_parallel)


@pytest.mark.parametrize(("kind", "n_applied"), [("read", 1), ("write", 3)])
def test_control_without_a_journal_answers_change_and_writes_happen_again(kind: str, n_applied: int) -> None:
    plan, outside = [[(kind, 0), ("write", 1)]], Outside()
    with the_tools_of(outside):
        shell = ForgetfulShell(faults=iter(["", "before"]))
        run = StumblingRun(Planned(), {"plan": plan}, shell).play()
    assert len(outside.applied) == n_applied
    with pytest.raises(AssertionError):
        assert_same_again(run)


def assert_same_again(run: StumblingRun) -> None:
    for (seq, before), (later_seq, after) in zip(run.trace, run.trace[1:], strict=False):
        if seq == later_seq:
            n_sure = max((at for at, (kind, _) in enumerate(before, 1) if kind == "action"), default=0)
            assert after[:n_sure] == before[:n_sure]


@given(plans, faults)
def test_numbers_are_given_once_and_a_node_s_actions_lie_between_it_and_the_next(
    plan: Any, stumbles: list[str]
) -> None:
    run, _ = played(plan, stumbles)
    flat = [seq for node_seq, actions in run.seqs for seq in (node_seq, *actions)]
    assert len(flat) == len(set(flat))
    assert flat[0] == 1
    for (node_seq, actions), (next_seq, _) in zip(run.seqs, [*run.seqs[1:], (10**9, [])], strict=True):
        assert all(node_seq < seq < next_seq for seq in actions)


@given(
    plans.filter(lambda plan: not any(kind == "gather" for actions in plan for kind, _ in actions)), faults
)
def test_actions_one_after_the_other_are_numbered_in_their_order(plan: Any, stumbles: list[str]) -> None:
    run, _ = played(plan, stumbles)
    assert all(actions == sorted(actions) for _, actions in run.seqs)


@given(plans)
def test_without_a_stumble_nothing_is_asked_twice(plan: Any) -> None:
    _, outside = played(plan, [])
    assert set(outside.asked.values()) <= {1}


requests = st.builds(
    Request, kind=st.sampled_from(["tool", "wait"]), name=st.sampled_from(["a", "b", "c"]),
    args=st.dictionaries(st.sampled_from("xyz"), json_values(), max_size=2),
)  # fmt: skip


def recorded(asked: list[Request]) -> list[Recorded]:
    """Record each request as done, the way a shell does."""
    journal = NodeJournal([], next_seq=2, max_actions=100)
    decisions = [decision for request in asked for decision in journal.decide(request)]
    done = [decision for decision in decisions if isinstance(decision, Execute)]
    assert len(done) == len(asked)
    return [
        Recorded(action.seq, action.ordinal, action.request.name, action.request_hash, "succeeded", output=at)
        for at, action in enumerate(done)
    ]


@given(st.lists(requests, max_size=8), st.integers(0, 8))
def test_the_recorded_part_is_reused_and_the_rest_is_done(asked: list[Request], n_recorded: int) -> None:
    journal = NodeJournal(recorded(asked)[:n_recorded], next_seq=100, max_actions=100)
    decisions = [decision for request in asked for decision in journal.decide(request)]
    reused = [decision.recorded.output for decision in decisions if isinstance(decision, Reuse)]
    done = [decision for decision in decisions if isinstance(decision, Execute)]
    assert reused == list(range(min(n_recorded, len(asked))))
    assert [action.seq for action in done] == list(range(100, 100 + len(done)))
    assert [action.request for action in done] == asked[n_recorded:]


def written_out(request: Request) -> bytes:
    return canonical_bytes([request.kind, request.name, request.args])


@given(st.lists(requests, min_size=1, max_size=8), st.data())
def test_any_changed_request_is_found_out_where_it_changed(asked: list[Request], data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(asked) - 1))
    other = data.draw(requests.filter(lambda request: written_out(request) != written_out(asked[at])))
    journal = NodeJournal(
        [replace(one, request_text=str(asked[one.ordinal])) for one in recorded(asked)],
        next_seq=100, max_actions=100,
    )  # fmt: skip
    for request in asked[:at]:
        journal.decide(request)
    with pytest.raises(NondeterminismError) as caught:
        journal.decide(other)
    assert (caught.value.expected, caught.value.received) == (str(asked[at]), str(other))
    assert f"action {at} " in str(caught.value)
    assert journal.next_seq == 100
