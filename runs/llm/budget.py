"""The budgets before a request to a model: what it may cost at most is reserved before it goes (PROTOCOL 24)."""

from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

from agentops.common.types import JsonObject
from runs.engine.budgets import WAIT_SECONDS, Unit, Way, amount_words
from runs.engine.errors import NotYetError, OverBudgetError
from runs.engine.tools import ToolCall
from runs.journal import purses
from runs.journal.fence import persist
from runs.journal.purses import Held
from runs.llm.book import Offer
from runs.llm.prices import cost_microusd
from runs.llm.request import ModelRequest, Usage

# How far an estimate of tokens may be short, and how long an answer may be where neither agent nor model say.
MARGIN = 1.5
ANSWER_TOKENS = 4096


class Reserving:
    """What one call reserves in the purses of its run; nothing where no budget is kept."""

    def __init__(self, call: ToolCall) -> None:
        self.run_id, self.seq = call.run_id, call.seq
        self.ids: list[UUID] = persist(lambda: purses.purse_ids(call.run_id))

    def take(self, offer: Offer, request: ModelRequest, estimated_tokens_in: int) -> ModelRequest:
        """Reserve the most that the request may cost; return it with a limit on the answer's length, where one must be kept.

        Raises: OverBudgetError when a budget does not allow it; NotYetError when others have reserved what is left.
        """
        if not self.ids:
            return request
        found = persist(lambda: purses.held(self.ids))
        tokens_in, tokens_out = int(estimated_tokens_in * MARGIN), request.max_tokens or ANSWER_TOKENS
        most = Usage(tokens_in, tokens_out)
        if cost_microusd(offer.kind, offer.model, offer.entry, most) is None:
            _refuse_unpriced(offer, found)
        need = _amounts(offer, most)
        refusal = persist(lambda: purses.reserve_for(self.run_id, self.seq, self.ids, need))
        if refusal is not None and refusal.way is Way.STOP:
            raise OverBudgetError(refusal.told)
        if refusal is not None:
            raise NotYetError(refusal.text, WAIT_SECONDS)
        has_limit = any(one.purse.hard(unit) is not None for one in found for unit in need)
        return replace(request, max_tokens=tokens_out) if has_limit else request

    def give_back(self) -> None:
        """Give back what was reserved, for the request did not go or was refused."""
        if self.ids:
            persist(lambda: purses.settle_failed(self.run_id, self.seq, {}))

    def lose(self, offer: Offer, usage: Usage | None = None) -> str:
        """Spend what a request took whose answer was lost: by `usage`, or all that was reserved where nobody knows; return it in words."""
        if not self.ids:
            return ""
        actual = None if usage is None else _amounts(offer, usage)
        spent = persist(lambda: purses.settle_failed(self.run_id, self.seq, actual))
        words = [amount_words(unit, amount) for unit, amount in spent.items() if amount]
        return f"; it may be billed, so budgets count {' and '.join(words)}" if words else ""


def _amounts(offer: Offer, usage: Usage) -> dict[str, int]:
    cost = cost_microusd(offer.kind, offer.model, offer.entry, usage)
    return {Unit.TOKENS.value: usage.tokens_in + usage.tokens_out, Unit.COST.value: cost or 0}


def _refuse_unpriced(offer: Offer, found: Sequence[Held]) -> None:
    """Raises: OverBudgetError when one of the budgets counts money."""
    counting = next((one for one in found if Unit.COST in one.purse.lines), None)
    if counting is None:
        return
    text = (
        f"nobody knows what {offer.reference} costs, and {counting.place} counts money: set its prices under Settings, Providers,"
        f" {offer.provider.slug}, then resume the run"
    )
    stop: JsonObject = {"kind": "budget", "text": text, "price_of": offer.reference}
    raise OverBudgetError(stop)
