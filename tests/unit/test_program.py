"""Programs: what makes one, and what a node may say."""

from typing import Any
from uuid import UUID

import pytest

from runs.engine.commands import Command, Fail, Finish, Goto, Sleep
from runs.engine.context import Context
from runs.engine.errors import CommandError, ProgramError, UpdateError
from runs.engine.journal import NodeJournal
from runs.engine.program import Program, node
from runs.engine.retry import ONCE, RetryPolicy
from tests.fakes import InMemoryShell, run_program


class Walk(Program):
    """Three nodes, one of which is told what to say."""

    name = "walk"

    @node(start=True)
    def begin(self, ctx: Context, state: Any) -> Command:
        return Goto("say", set={"begun": True})

    @node(retry=ONCE)
    def say(self, ctx: Context, state: Any) -> Command:
        command: Command = state["say"]
        return command


def say(what: Any) -> Command:
    ctx = Context(
        InMemoryShell(), NodeJournal([], next_seq=2, max_actions=9), run_id=UUID(int=2), agent="walk", attempt=1,
    )  # fmt: skip
    return Walk().run_node("say", ctx, {"say": what})


def test_a_program_knows_its_nodes_and_where_it_starts() -> None:
    assert list(Walk.nodes) == ["begin", "say"]
    assert Walk.start_node == "begin"
    assert (Walk.nodes["begin"].retry, Walk.nodes["say"].retry) == (RetryPolicy(max_attempts=3), ONCE)
    assert Walk().title_of({}) == "walk"


@pytest.mark.parametrize("command", [Goto("begin"), Sleep("say", seconds=0), Finish(output=1), Fail("no")])
def test_a_node_says_what_comes_next(command: Command) -> None:
    assert say(command) is command


@pytest.mark.parametrize(
    ("returned", "words"),
    [
        (None, "returned NoneType; return Goto, Sleep, Finish or Fail"),
        ("begin", "returned str"),
        (Goto, "returned type"),
        (Goto("elsewhere"), "goes to 'elsewhere', but there are only begin, say"),
        (Sleep("elsewhere", seconds=1), "goes to 'elsewhere'"),
    ],
)
def test_a_node_that_says_something_else_is_told_so(returned: Any, words: str) -> None:
    with pytest.raises(CommandError, match=words):
        say(returned)


@pytest.mark.parametrize("seconds", [-1, float("nan"), float("inf"), 1e12, "5"])
def test_a_sleep_between_nodes_needs_a_length_of_time(seconds: Any) -> None:
    with pytest.raises(CommandError, match="Sleep needs a number of seconds"):
        Sleep("say", seconds=seconds)


def a_node(self: Any, ctx: Context, state: Any) -> Command:
    return Finish()


START = node(start=True)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"go": START(a_node)}, "program 'Broken' needs a name"),
        ({"name": "Site Research", "go": START(a_node)}, "lower-case letters, digits and hyphens"),
        ({"name": "a/b", "go": START(a_node)}, "lower-case letters"),
        ({"name": "a" * 101, "go": START(a_node)}, "at most 100 characters"),
        ({"name": "none"}, "exactly one @node(start=True), it has 0"),
        ({"name": "two", "a": START(a_node), "b": START(a_node)}, "exactly one @node(start=True), it has 2"),
        ({"name": "taken", "title_of": START(a_node)}, "a node called 'title_of'"),
        ({"name": "taken", "version": START(a_node)}, "a node called 'version'"),
    ],
)
def test_a_class_that_is_no_program_says_why(body: dict[str, Any], words: str) -> None:
    with pytest.raises(ProgramError) as caught:
        type("Broken", (Program,), body)
    assert words in str(caught.value)


def test_a_program_inherits_nodes_and_may_replace_them() -> None:
    class Shorter(Walk):
        name = "shorter"

        @node
        def say(self, ctx: Context, state: Any) -> Command:
            return Finish(output="short")

    assert (Shorter.start_node, list(Shorter.nodes)) == ("begin", ["begin", "say"])
    assert run_program(Shorter, {}, InMemoryShell()).output == "short"


def test_a_node_that_is_replaced_without_its_mark_is_found_out() -> None:
    with pytest.raises(
        ProgramError, match="overrides the node 'say' with a method that is not marked with @node"
    ):
        type("Forgetful", (Walk,), {"name": "forgetful", "say": lambda self, ctx, state: Finish()})


def test_a_node_may_be_called_start() -> None:
    class Starts(Program):
        name = "starts"

        @node(start=True)
        def start(self, ctx: Context, state: Any) -> Command:
            return Finish(output=state["n"])

    assert run_program(Starts, {"n": 3}, InMemoryShell()).output == 3


def test_a_program_walks_from_node_to_node_and_keeps_its_state() -> None:
    class Adds(Walk):
        name = "adds"

        @node
        def say(self, ctx: Context, state: Any) -> Command:
            return Finish(output=dict(state), append={"said": "bye"})

    ended = run_program(Adds, {"n": 1}, InMemoryShell())
    assert ended.output == {"n": 1, "begun": True}
    assert ended.state == {"n": 1, "begun": True, "said": ["bye"]}


def test_an_update_error_reaches_whoever_runs_the_node() -> None:
    class Misses(Program):
        name = "misses"

        @node(start=True)
        def go(self, ctx: Context, state: Any) -> Command:
            return Finish(set={"/a/b": 1})

    with pytest.raises(UpdateError, match="'/a' does not exist"):
        run_program(Misses, {}, InMemoryShell())
