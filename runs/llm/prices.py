"""What a request cost: by the prices that the team gave, else by the list prices that the distribution brings."""

from collections.abc import Mapping
from decimal import ROUND_HALF_UP, Decimal
from functools import lru_cache
from typing import Any

from runs.engine.providers import ProviderKind
from runs.llm.request import Usage

_MTOK = 1_000_000
# Whose list prices hold; a compatible address may be anybody's, so only the team knows its prices.
_LISTED = {
    ProviderKind.OPENAI: "openai", ProviderKind.ANTHROPIC: "anthropic", ProviderKind.BEDROCK: "aws",
    ProviderKind.VERTEX: "google",
}  # fmt: skip


def cost_microusd(kind: ProviderKind, model: str, offer: Mapping[str, Any], usage: Usage) -> int | None:
    """Return the cost, or None when nobody knows the price; `offer` is the model's entry in the catalog."""
    own = offer.get("in_microusd_per_mtok"), offer.get("out_microusd_per_mtok")
    if own[0] is not None and own[1] is not None:
        total = Decimal(usage.tokens_in) * own[0] + Decimal(usage.tokens_out) * own[1]
        return int((total / _MTOK).to_integral_value(ROUND_HALF_UP))
    listed = _LISTED.get(kind)
    if kind is ProviderKind.VERTEX:
        model = model.removeprefix("google/")
    if listed is None or not _is_listed(listed, model):
        return None
    return _list_price(listed, model, usage)


@lru_cache(maxsize=256)
def _is_listed(provider: str, model: str) -> bool:
    return _list_price(provider, model, Usage(1, 1)) is not None


def _list_price(provider: str, model: str, usage: Usage) -> int | None:
    import genai_prices

    used = genai_prices.Usage(
        input_tokens=usage.tokens_in, output_tokens=usage.tokens_out, cache_read_tokens=usage.tokens_cached
    )
    try:
        price = genai_prices.calc_price(used, model, provider_id=provider).total_price
    except LookupError:
        return None
    return int((price * _MTOK).to_integral_value(ROUND_HALF_UP))
