"""Agents of language models, small ones, that the tests talk to."""

from typing import Any

from runs.engine.chat import Strategy
from runs.engine.commands import Command
from runs.engine.definition import LlmDefinition, SessionLimits, ShortTerm
from runs.llm.program import LlmAgent
from runs.program import Context, Finish, Goto, Program, Sleep, ToolCall, ToolError, node, tool


@tool("talk.double", effect="compute")
def double(call: ToolCall, *, number: int) -> int:
    """Return twice the number."""
    return 2 * number


@tool("talk.long", effect="read")
def long(call: ToolCall, *, characters: int) -> str:
    """Return a long text."""
    return "x" * characters


@tool("talk.broken", effect="read")
def broken(call: ToolCall) -> None:
    """Fail, always."""
    raise ToolError("it is broken", code="broken", retryable=False)


class Talker(LlmAgent):
    name = "test-talker"
    definition = LlmDefinition(
        instructions="You are a test.", models=["", "backup"],
        tools=["talk.double", "talk.long", "talk.broken", "test.ledger"], approve=["test.ledger"], max_malformed=2,
    )  # fmt: skip


class Summariser(LlmAgent):
    name = "test-summariser"
    definition = LlmDefinition(
        tools=["talk.long"], context_tokens=2000,
        short_term=ShortTerm(strategy=Strategy.SUMMARISE, at_share=0.5, keep_share=0.1),
        session=SessionLimits(tool_calls=None, window_share=None),
    )  # fmt: skip


class HandsOver(LlmAgent):
    name = "test-hands-over"
    definition = LlmDefinition(tools=["talk.double"], session=SessionLimits(tool_calls=2))


class Tires(LlmAgent):
    """Its sessions end after a moment of work."""

    name = "test-tires"
    definition = LlmDefinition(
        tools=["talk.double", "test.ledger"], approve=["test.ledger"],
        session=SessionLimits(tool_calls=None, active_seconds=0.05),
    )  # fmt: skip


class Fills(LlmAgent):
    """Its sessions end when half of a small window is full."""

    name = "test-fills"
    definition = LlmDefinition(
        tools=["talk.long"], context_tokens=2000, short_term=ShortTerm(strategy=Strategy.NONE),
        session=SessionLimits(tool_calls=None, window_share=0.5),
    )  # fmt: skip


class Spends(LlmAgent):
    """Its sessions end after so many tokens."""

    name = "test-spends"
    definition = LlmDefinition(tools=["talk.double"], session=SessionLimits(tool_calls=None, tokens=500))


class OneQuestion(Program):
    """One request, as a program of one's own makes it."""

    name = "test-one-question"

    @node(start=True)
    def ask(self, ctx: Context, state: Any) -> Finish:
        answer = ctx.llm(
            state["question"], models=state.get("models", [""]), output_schema=state.get("schema")
        )
        return Finish(output=dict(answer))


class Endures(LlmAgent):
    """Works for weeks: a turn, a sleep of twelve hours, a turn; its sessions end after six calls."""

    name = "test-endures"
    definition = LlmDefinition(
        tools=["test.ledger"], max_turns=100_000, session=SessionLimits(tool_calls=6, active_seconds=None)
    )

    @node
    def act(self, ctx: Context, state: Any) -> Command:
        then = super().act(ctx, state)
        assert isinstance(then, Goto)
        return Sleep(then.node, seconds=12 * 3600, set=then.set, extend=then.extend, note=then.note)
