"""Asking a model, rung by rung: its gate, the request, the next model (DESIGN 8).

What is tried again, and when, the engine decides by the action's retry policy: a wait of more than a second is a row that
costs no process.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from agentops.common.types import JsonObject, JsonValue
from runs.engine.chat import estimate_tokens
from runs.engine.errors import NotYetError, ProgramError, ToolError
from runs.engine.gates import Verdict, Way
from runs.engine.retry import RetryPolicy
from runs.engine.tools import Effect, ToolCall, ToolSpec
from runs.llm import partial
from runs.llm.book import Offer, offer_of, providers_of
from runs.llm.budget import Reserving
from runs.llm.errors import ModelError, Trouble
from runs.llm.gate import SharedGate
from runs.llm.prices import cost_microusd
from runs.llm.request import Answer, ModelRequest, ToolOffered
from runs.tools.registry import get_tool

FAILOVER_AFTER_SECONDS = 60.0
TIMEOUT_SECONDS = 600.0
RETRY = RetryPolicy(max_attempts=10, first_seconds=0.5, max_seconds=60.0)
ANSWER_TOKENS = 500


def model_spec(name: str) -> ToolSpec:
    """Return what the engine needs to know of a request to a model: it changes nothing in the world."""
    return ToolSpec(name, Effect.READ, ask_model, timeout_seconds=TIMEOUT_SECONDS, retry=RETRY)


def ask_model(
    call: ToolCall, *, models: Sequence[str], messages: Sequence[Mapping[str, Any]], **rest: Any
) -> JsonValue:
    """Return the answer of the first of `models` that gives one; see runs.engine.llm for its shape.

    Raises: NotYetError when it may not go yet; ToolError when none answers.
    """
    climb = _Climb(call, _request(messages, rest))
    offers = climb.known(models)
    for n, offer in enumerate(offers):
        climb.is_last = n == len(offers) - 1
        answer = climb.tried(offer)
        if answer is not None:
            return _output(climb, models[0] or offer.reference, offer, answer)
    raise ToolError(
        "; ".join(climb.decisions), code=climb.code, retry_after_seconds=climb.retry_after_seconds
    )


class _Climb:
    """One pass over the models: what was tried, and why not."""

    def __init__(self, call: ToolCall, request: ModelRequest) -> None:
        self.call, self.request, self.is_last = call, request, False
        self.decisions: list[str] = []
        self.code = str(Trouble.UNAVAILABLE)
        self.retry_after_seconds: float | None = None
        self.estimated_in = estimate_tokens(request.messages, request.instructions) + _tools_tokens(request)
        self.estimated = self.estimated_in + (request.max_tokens or ANSWER_TOKENS)
        self.budget = Reserving(call)

    def known(self, models: Sequence[str]) -> list[Offer]:
        """Return the models that there are.

        Raises: ToolError when there is none of them.
        """
        found: list[Offer] = []
        problem: ToolError | None = None
        providers = providers_of(self.call.team_id)
        for reference in models:
            try:
                found.append(offer_of(providers, reference))
            except ToolError as error:
                problem = problem or error
                self.decisions.append(f"{reference or 'the default'}: {error}")
        if not found and problem:
            raise problem
        return found

    def tried(self, offer: Offer) -> Answer | None:
        """Return the answer, or None when the next model should be asked; then nothing stays reserved."""
        request = self.budget.take(offer, self.request, self.estimated_in)
        try:
            answer = self._admitted(offer, request)
        except (ToolError, NotYetError):
            self.budget.give_back()  # it did not go, or what it took is settled by now
            raise
        except BaseException:
            self.budget.lose(offer)
            raise
        if answer is None:
            self.budget.give_back()
        return answer

    def _admitted(self, offer: Offer, request: ModelRequest) -> Answer | None:
        gate = SharedGate(self.call.team_id, offer.provider.id, offer.model, offer.limits)
        verdict = gate.admit(self.estimated, offer.provider.timeout_seconds)
        if not verdict.may_go:
            self._kept_out(offer, verdict)
            return None
        try:
            answer = self._asked(offer, request)
        except ModelError as error:
            self._failed(offer, gate, error)
            return None
        used = answer.usage.tokens_in + answer.usage.tokens_out
        gate.succeeded(answer.headers, estimated=self.estimated, actual=used)
        return answer

    def _asked(self, offer: Offer, request: ModelRequest) -> Answer:
        # The libraries take seconds and 50 MB to load: only processes that ask a model bear that.
        from runs.llm import clients

        team_id, run_id = self.call.team_id, self.call.run_id
        try:
            return clients.request(
                offer.endpoint(), offer.model, request,
                on_text=lambda text: partial.tell(team_id, run_id, offer.reference, text),
            )  # fmt: skip
        finally:
            partial.forget(run_id)

    def _kept_out(self, offer: Offer, verdict: Verdict) -> None:
        """Note why the request did not go.

        Raises: NotYetError when it is worth waiting for; ToolError when it never fits and there is no other model.
        """
        name, seconds = offer.reference, verdict.seconds
        if verdict.way is Way.TOO_LARGE:
            self._note(
                f"{name}: about {self.estimated:,} tokens are more than its limit of a minute", "too_large"
            )
            if self.is_last:
                raise ToolError("; ".join(self.decisions), code="model_request_too_large", retryable=False)
        elif verdict.way is Way.OPEN:
            self._note(
                f"{name}: not asked, for it failed lately; asked again in {seconds:.0f} s",
                Trouble.UNAVAILABLE,
            )
            self._wait(seconds)
        elif self.is_last or seconds <= FAILOVER_AFTER_SECONDS:
            raise NotYetError(f"the rate limit of {name}: goes on in {seconds:.1f} s", seconds)
        else:
            self._note(f"{name}: its rate limit lets nothing through for {seconds:.0f} s", Trouble.THROTTLED)
            self._wait(seconds)

    def _failed(self, offer: Offer, gate: SharedGate, error: ModelError) -> None:
        """Note a failed request at the gate.

        Raises: ToolError when no other model should be asked.
        """
        name = offer.reference
        lost = self.budget.lose(offer, error.usage) if error.may_be_billed else ""
        self._note(f"{name}: {error.message}{lost}", error.trouble)
        if error.trouble is Trouble.THROTTLED:
            after = error.retry_after_seconds
            gate.throttled(
                error.message, error.headers or {}, estimated=self.estimated, retry_after_seconds=after
            )
            if self.is_last or (after or 0) <= FAILOVER_AFTER_SECONDS:
                raise ToolError(f"{name}: {error.message}", code=error.trouble, retry_after_seconds=after)
            self._wait(after or 0.0)
        elif error.trouble.is_of_provider:
            gate.failed(error.message, estimated=self.estimated)
        else:
            gate.refused(estimated=self.estimated)
            if error.trouble is Trouble.REFUSED:
                raise ToolError(f"{name}: {error.message}", code=error.trouble, retryable=False)

    def _note(self, text: str, code: str) -> None:
        self.decisions.append(text)
        self.code = str(code)

    def _wait(self, seconds: float) -> None:
        self.retry_after_seconds = min(seconds, self.retry_after_seconds or seconds)


def _request(messages: Sequence[Mapping[str, Any]], rest: Mapping[str, Any]) -> ModelRequest:
    return ModelRequest(
        messages=messages,
        instructions=str(rest.get("instructions") or ""),
        tools=[_offered(tool) for tool in rest.get("tools") or ()],
        output_schema=rest.get("output_schema"),
        max_tokens=rest.get("max_tokens"),
        temperature=rest.get("temperature"),
    )


def _offered(tool: str | Mapping[str, Any]) -> ToolOffered:
    if not isinstance(tool, str):
        return ToolOffered(str(tool["name"]), str(tool.get("description", "")), dict(tool["schema"]))
    try:
        spec = get_tool(tool)
    except ProgramError as error:
        raise ToolError(str(error), code="tool_unknown", retryable=False) from error
    return ToolOffered(spec.name, spec.description, spec.args_schema)


def _tools_tokens(request: ModelRequest) -> int:
    return sum(len(json.dumps(tool.schema)) + len(tool.description) for tool in request.tools) // 4


def _output(climb: _Climb, asked: str, answered: Offer, answer: Answer) -> JsonObject:
    cost = cost_microusd(answered.kind, answered.model, answered.entry, answer.usage)
    return {
        "text": answer.text,
        "calls": list(answer.calls),
        "reasoning": answer.reasoning,
        "output": answer.output,
        "finish_reason": answer.finish_reason,
        "requested": asked,
        "answered": f"{answered.provider.slug}/{answer.model or answered.model}",
        "usage": {
            "tokens_in": answer.usage.tokens_in, "tokens_out": answer.usage.tokens_out,
            "tokens_cached": answer.usage.tokens_cached, "cost_microusd": cost,
        },
        "decisions": list(climb.decisions),
    }  # fmt: skip
