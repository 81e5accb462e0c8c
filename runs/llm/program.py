"""The program of language-model agents: think, act, …, finish; subclass it, say what it is for, and it runs.

    class Helper(LlmAgent):
        name = "helper"
        definition = LlmDefinition(instructions="You help.", tools=["http.get"])

What was said stands in the state under `messages`, which is only appended to. What a model is shown of them is worked
out anew each time from `compactions` and `session`, so that both can be looked at, and taken back by a fork.
"""

from collections.abc import Sequence
from typing import Any, ClassVar

from agentops.common.errors import InvalidInputError
from agentops.common.types import JsonObject
from runs.engine.acceptance import unmet
from runs.engine.chat import Strategy, compaction, estimate_tokens, result_of, shown
from runs.engine.commands import Command, Fail, Finish, Goto
from runs.engine.context import Call, Context
from runs.engine.definition import LlmDefinition
from runs.engine.errors import ActionFailedError, ProgramError
from runs.engine.llm import MAX_MODELS
from runs.engine.program import Program, node
from runs.json_schema import check
from runs.llm import hand_off
from runs.llm.hand_off import as_text, document_text, fresh_session, limit_reached
from runs.llm.inner import INNER, START_AGENT, children_done, done_inside, offered_inside, start_agent_tool
from runs.tools.registry import get_tool

ASK, FINISH = "ask", "finish"
OWN_MEMBERS = frozenset(
    [
        "messages",
        "turns",
        "session",
        "empty_replies",
        "malformed",
        "rejections",
        "compactions",
        "handoffs",
        "notes",
    ]
)
_ASK_TOOL: JsonObject = {
    "name": ASK,
    "description": "Ask a person a question and wait for the answer, which may take days.",
    "schema": {
        "type": "object",
        "properties": {
            "question": {"type": "string", "minLength": 1, "maxLength": 4000},
            "choices": {"type": "array", "items": {"type": "string"}, "maxItems": 20},
        },
        "required": ["question"],
        "additionalProperties": False,
    },
}
_SUMMARISE = (
    "Summarise the talk below for the one who goes on with the work: what was asked for, what was done with which result,"
    " what was decided and why, what is open. Facts, names, numbers and addresses word for word. No preamble."
)


class LlmAgent(Program):
    """An agent that a language model drives. Its `definition` says with which words, models, tools and limits."""

    is_abstract: ClassVar[bool] = True
    reads_notes: ClassVar[bool] = True
    name: ClassVar[str] = "llm"
    title: ClassVar[str] = "Language model"
    definition: ClassVar[LlmDefinition] = LlmDefinition()
    input_schema: ClassVar[JsonObject] = {
        "type": "object",
        "properties": {
            "task": {"type": "string", "title": "Task", "minLength": 1, "maxLength": 100_000},
            "acceptance": {
                "type": "array", "title": "Checks that the output must pass", "maxItems": 20,
                "items": {"type": "object", "required": ["kind"]},
            },
        },
        "required": ["task"],
    }  # fmt: skip

    def task_of(self, state: Any) -> str:
        """Return the goal, as the model is told it; override to make it of other members of the input."""
        return str(state.get("task", ""))

    def title_of(self, state: Any) -> str:
        first_line = self.task_of(state).strip().split("\n", 1)[0]
        return f"{self.title}: {first_line[:120]}" if first_line else self.title

    @node(start=True)
    def think(self, ctx: Context, state: Any) -> Command:
        """One request to the model."""
        if state.get("turns", 0) >= self.definition.max_turns:
            return Fail(f"no end after {self.definition.max_turns} turns", code="turns_exhausted")
        notes = ctx.notes(after=state.get("notes", 0))
        read = {"notes": notes[-1]["n"]} if notes else {}
        if "session" in state and any(note["do"] == "hand_off" for note in notes):
            return Goto("handoff", set=read, note="a fresh session was asked for")
        began = [] if "messages" in state else [{"role": "user", "text": self.task_of(state)}]
        began += [{"role": "user", "text": f"A note from {note['by']}: {note['text']}"} for note in notes]
        messages = [*state.get("messages", []), *began]
        session = dict(state.get("session") or {"number": 1, "start": 0, "tool_calls": 0, "tokens": 0})
        if self.definition.memory and "memory" not in session:
            session["memory"] = ctx.tool("memory.core", spaces=list(self.definition.memory))["text"]
        told = "\n\n".join(filter(None, (self.definition.instructions, session.get("memory"))))
        answer = self._ask_model(
            ctx, self.view(state, messages), tools=self._tools(ctx.strategy.without), instructions=told
        )
        said: JsonObject = {"role": "assistant", "text": answer["text"], "calls": answer["calls"]}
        calls = [str(call["tool"]) for call in answer["calls"]]
        is_empty = not answer["text"].strip() and not calls
        used = answer["usage"]
        session["tokens"] += used["tokens_in"] + used["tokens_out"]
        session["active_seconds"] = _active_seconds(ctx, session)
        return Goto(
            "act" if any(name != FINISH for name in calls) else "finish",
            set={"turns": state.get("turns", 0) + 1, "session": session, **read,
                 "empty_replies": state.get("empty_replies", 0) + 1 if is_empty else 0},
            extend={"messages": [*began, said]},
            note=f"{answer['answered']}: {', '.join(calls) or answer['text']}",
        )  # fmt: skip

    @node
    def act(self, ctx: Context, state: Any) -> Command:
        """The calls that the model asked for; what does not fit is answered with what is wrong with it."""
        calls = [call for call in state["messages"][-1]["calls"] if call["tool"] != FINISH]
        wrong = {call["id"]: problem for call in calls if (problem := self._problem(call))}
        n_malformed = state.get("malformed", 0) + 1 if wrong else 0
        if n_malformed > self.definition.max_malformed:
            problem = next(iter(wrong.values()))
            return Fail(
                f"the model's calls did not fit {n_malformed} times in a row: {problem}",
                code="malformed_calls",
            )
        results = {call_id: (problem, True) for call_id, problem in wrong.items()}
        results |= self._done(ctx, [call for call in calls if call["id"] not in wrong])
        told = [result_of(call, results[call["id"]][0], is_error=results[call["id"]][1]) for call in calls]
        n_calls = state["session"]["tool_calls"] + len(calls)
        active_seconds = _active_seconds(ctx, state["session"])
        session = {**state["session"], "tool_calls": n_calls, "active_seconds": active_seconds}
        return Goto(
            self._after(state, session, [*state["messages"], *told]),
            set={"malformed": n_malformed, "session": session},
            extend={"messages": told},
            note=", ".join(f"{call['tool']}{' failed' * results[call['id']][1]}" for call in calls),
        )

    @node
    def finish(self, ctx: Context, state: Any) -> Command:
        """The model says that it is done; the checks of the goal say whether it is."""
        call, output = self._claimed(state)
        reasons = self._unmet(state, output)
        if not reasons:
            told = [result_of(call, "accepted")] if call else []
            return Finish(output={"output": output}, extend={"messages": told}, note="accepted")
        n_rejected = state.get("rejections", 0) + 1
        if n_rejected > self.definition.max_rejections or state.get("empty_replies", 0) >= 3:  # fmt: skip
            return Fail(f"the goal was not reached: {'; '.join(reasons)}", code="not_accepted")
        text = "Not accepted, for this is missing: " + "; ".join(reasons) + ". Go on, then finish again."
        answer: JsonObject = result_of(call, text, is_error=True) if call else {"role": "user", "text": text}
        return Goto(
            "think", set={"rejections": n_rejected}, extend={"messages": [answer]},
            note=f"not accepted: {'; '.join(reasons)}",
        )  # fmt: skip

    @node
    def compact(self, ctx: Context, state: Any) -> Command:
        """Show the model less of the talk from now on; the originals stay."""
        found = self.compaction(ctx, state)
        if found is None:
            return Goto("think", note="nothing left to shorten")
        if found["strategy"] == Strategy.SUMMARISE:
            part = state["messages"][found["from"] : found["to"]]
            found["summary"] = self._ask_model(ctx, as_text(part), instructions=_SUMMARISE)["text"]
        return Goto(
            "think", append={"compactions": found},
            note=f"{found['strategy']}: messages {found['from']} up to {found['to']}",
        )  # fmt: skip

    @node
    def handoff(self, ctx: Context, state: Any) -> Command:
        """Begin a fresh session that sees the goal and a document, and nothing of the talk."""
        number = state["session"]["number"] + 1
        document = self._document(ctx, state)
        tokens = estimate_tokens(self.view(state, state["messages"]), self.definition.instructions)
        reached = limit_reached(self.definition, state["session"], tokens)
        made: JsonObject = {"to_session": number, "at": ctx.now(), "because": reached, "document": document}
        why = f" after {reached}" if reached else ""
        return Goto(
            "think", append={"handoffs": made}, set={"session": fresh_session(number, len(state["messages"]))},
            note=f"session {number} begins{why}: {document['summary']}",
        )  # fmt: skip

    def view(self, state: Any, messages: Any) -> list[JsonObject]:
        """Return what the model is shown."""
        session, handoffs = state.get("session") or {}, state.get("handoffs") or []
        compactions = [
            found for found in state.get("compactions") or [] if found["from"] >= session.get("start", 0)
        ]
        talk = shown(messages, compactions, start=session.get("start", 0))
        if not handoffs:
            return talk
        goal: JsonObject = {
            "role": "user",
            "text": f"{self.task_of(state)}\n\nHand-off from the session before:\n{document_text(handoffs[-1]['document'])}",
        }
        return [goal, *talk]

    def compaction(self, ctx: Context, state: Any) -> JsonObject | None:
        """Return what the model shall no longer be shown, as runs.engine.chat describes it; override for a way of your own.

        With the strategy `custom` this must be overridden.
        """
        short, window = self.definition.short_term, self.definition.context_tokens
        if short.strategy is Strategy.CUSTOM:
            raise ProgramError(
                f"{type(self).__name__} has the strategy custom: override its method `compaction`"
            )
        done = [found for found in state.get("compactions") or [] if not found["undone"]]
        start = max([state["session"]["start"], *(found["to"] - 1 for found in done)])
        return compaction(
            short.strategy, state["messages"], start=start,
            keep_tokens=int(window * short.keep_share), keep_turns=short.keep_turns,
        )  # fmt: skip

    def unmet(self, state: Any, output: Any) -> list[str]:
        """Return what is missing from the goal, in words; override to check more. Empty when it is reached."""
        return unmet([*self.definition.acceptance, *state.get("acceptance", [])], output, state["messages"])

    def _ask_model(self, ctx: Context, messages: Any, **more: Any) -> Any:
        told = self.definition
        other = ctx.strategy.model
        given = {
            "models": [other, *told.models][:MAX_MODELS] if other else told.models,
            "instructions": told.instructions, "max_tokens": told.max_tokens, "temperature": told.temperature,
        }  # fmt: skip
        return ctx.llm(messages, **(given | more))

    def _tools(self, without: Sequence[str]) -> list[Any]:
        told = self.definition
        output: JsonObject = told.output_schema or {"type": "string", "description": "The result, complete."}
        finish: JsonObject = {
            "name": FINISH,
            "description": "Say that the goal is reached, with its result.",
            "schema": {"type": "object", "properties": {"output": output}, "required": ["output"]},
        }
        inner = [
            offered_inside(name) if name in INNER else name for name in told.tools if name not in without
        ]
        started = [start_agent_tool(list(told.agents))] if told.agents else []
        return [*inner, *started, *([_ASK_TOOL] if told.can_ask else []), finish]

    def _problem(self, call: Any) -> str:
        """Return why a call cannot be made; empty when it can."""
        name, told = call["tool"], self.definition
        known = [*told.tools, *([START_AGENT] if told.agents else []), *([ASK] if told.can_ask else [])]
        if name not in known:
            return f"there is no tool {name!r}; there are {', '.join([*known, FINISH])}"
        schema = self._schema_of(name)
        if "args" not in call:
            return f"the arguments of {name} are not a JSON object: {str(call.get('raw'))[:200]}. They must fit {schema}"
        try:
            check(call["args"], schema, what=f"the arguments of {name}")
        except InvalidInputError as error:
            return f"{error.detail}. They must fit {schema}"
        return ""

    def _schema_of(self, tool: str) -> Any:
        if tool == START_AGENT:
            return start_agent_tool(list(self.definition.agents))["schema"]
        if tool == ASK:
            return _ASK_TOOL["schema"]
        return INNER[tool].args_schema if tool in INNER else get_tool(tool).args_schema

    def _done(self, ctx: Context, calls: list[Any]) -> dict[str, tuple[Any, bool]]:
        """Return each call's result and whether it is an error.

        People are asked first, about one call after the other; what they allow is done with the rest when all are decided. What
        suspends comes before what only works on the run's folder: that begins anew with each execution of the node.
        """
        asked = [call for call in calls if call["tool"] == ASK or call["tool"] in self.definition.approve]
        decided = {call["id"]: self._decided(ctx, call) for call in asked}
        results = {call_id: result for call_id, (_args, result) in decided.items() if result is not None}
        left = [call for call in calls if call["id"] not in results]
        left = [{**call, "args": decided[call["id"]][0]} if call["id"] in decided else call for call in left]
        results |= children_done(ctx, [call for call in left if call["tool"] == START_AGENT])
        others = [call for call in left if call["tool"] != START_AGENT and call["tool"] not in INNER]
        outcomes = ctx.gather(*(Call(call["tool"], **call["args"]) for call in others), return_errors=True)
        results |= {call["id"]: _told(outcome) for call, outcome in zip(others, outcomes, strict=True)}
        inside = [call for call in left if call["tool"] in INNER]
        return results | {call["id"]: done_inside(ctx, call["tool"], call["args"]) for call in inside}

    def _decided(self, ctx: Context, call: Any) -> tuple[Any, tuple[Any, bool] | None]:
        """Return the arguments that a person allowed, and the result where there is nothing left to do."""
        args = call["args"]
        try:
            if call["tool"] == ASK:
                return args, (ctx.ask(args["question"], choices=list(args.get("choices", []))), False)
            return ctx.approve(
                call["tool"], args=args, summary=f"The agent wants to call {call['tool']}."
            ), None
        except ActionFailedError as error:
            return args, (str(error), True)

    def _after(self, state: Any, session: dict[str, Any], messages: list[Any]) -> str:
        """Return the node that follows: with a call of `finish` that one, else a hand-off or a compaction when due."""
        said = state["messages"][-1]
        if any(call["tool"] == FINISH for call in said["calls"]):
            return "finish"
        told, window = self.definition, self.definition.context_tokens
        tokens = estimate_tokens(self.view(state, messages), told.instructions)
        if limit_reached(told, session, tokens):
            return "handoff"
        is_long = (
            told.short_term.strategy is not Strategy.NONE and tokens >= window * told.short_term.at_share
        )
        return "compact" if is_long else "think"

    def _claimed(self, state: Any) -> tuple[Any, Any]:
        """Return the model's call of `finish` (None for plain text), and the result that it claims."""
        said = next(message for message in reversed(state["messages"]) if message["role"] == "assistant")
        call = next((call for call in said["calls"] if call["tool"] == FINISH), None)
        if call is None:
            return None, said["text"]
        return call, call["args"].get("output") if "args" in call else None

    def _unmet(self, state: Any, output: Any) -> list[str]:
        if output is None or output == "":
            return ["a result; call finish with it"]
        reasons = []
        if self.definition.output_schema is not None:
            try:
                check(output, self.definition.output_schema, what="the output")
            except InvalidInputError as error:
                reasons.append(error.detail)
        return reasons + self.unmet(state, output)

    def _document(self, ctx: Context, state: Any) -> JsonObject:
        """Return the hand-off: the model's own, or one made from what was done when it writes none that fits."""
        talk = as_text(self.view(state, state["messages"]))
        asked = f"Goal:\n{self.task_of(state)}\n\nTalk:\n{talk}"
        try:
            answer = self._ask_model(ctx, asked, instructions=hand_off.ASKED, output_schema=hand_off.SCHEMA)
            document: JsonObject = dict(answer["output"])
            check(document, hand_off.SCHEMA, what="the hand-off")
        except (ActionFailedError, InvalidInputError, TypeError, ValueError) as error:
            code = getattr(error, "error_code", "invalid_output")
            return hand_off.made_of_calls(state["messages"][state["session"]["start"] :], code)
        return document


def _told(outcome: Any) -> tuple[Any, bool]:
    return (str(outcome), True) if isinstance(outcome, ActionFailedError) else (outcome, False)


def _active_seconds(ctx: Context, session: Any) -> float:
    return round(float(session.get("active_seconds", 0.0)) + ctx.worked_seconds(), 3)
