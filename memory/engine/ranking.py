"""How the two legs of a search become one list (pure).

Source: Cormack, Clarke, Büttcher, Reciprocal Rank Fusion (SIGIR 2009), with its k = 60.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from memory.engine.kinds import Trust

K = TypeVar("K")

RANK_CONSTANT = 60
LEG_WEIGHTS: Mapping[str, float] = {"lexical": 1.0, "vector": 0.8}
CHARACTERS_A_TOKEN = 4


@dataclass(frozen=True, slots=True)
class Worth:
    """What counts for an item beside how well it fits; `half_life_days` is None where age does not count."""

    age_days: float
    importance: float
    trust: Trust
    is_pinned: bool
    half_life_days: float | None

    @property
    def decay(self) -> float:
        if self.is_pinned or self.half_life_days is None:
            return 1.0
        return float(0.5 ** (max(0.0, self.age_days) / self.half_life_days))


@dataclass(frozen=True, slots=True)
class Ranked(Generic[K]):
    """An item found, its place in each leg (from 1), and what its score is made of."""

    key: K
    score: float
    places: Mapping[str, int]
    fit: float
    decay: float
    importance_factor: float
    trust_factor: float


def fuse(legs: Mapping[str, Sequence[K]], worth: Mapping[K, Worth]) -> list[Ranked[K]]:
    """Return what the legs found, the best first; a leg lists keys, its best first."""
    places: dict[K, dict[str, int]] = {}
    for name, keys in legs.items():
        for place, key in enumerate(keys, start=1):
            places.setdefault(key, {}).setdefault(name, place)
    ranked = [_ranked(key, found, worth[key]) for key, found in places.items()]
    return sorted(ranked, key=lambda one: (-one.score, min(one.places.values()), str(one.key)))


def _ranked(key: K, places: Mapping[str, int], worth: Worth) -> Ranked[K]:
    fit = sum(LEG_WEIGHTS.get(name, 1.0) / (RANK_CONSTANT + place) for name, place in places.items())
    importance = 0.75 + 0.5 * worth.importance
    # Age may turn the order of what fits alike; it must not bury the only thing that fits.
    decay = 0.5 + 0.5 * worth.decay
    score = fit * decay * importance * worth.trust.factor
    return Ranked(key, score, dict(places), fit, decay, importance, worth.trust.factor)


def within_tokens(texts: Sequence[str], budget_tokens: int | None) -> int:
    """Return how many of the texts, from the first, fit into the budget; at least the first one where there is any."""
    if budget_tokens is None:
        return len(texts)
    spent = 0
    for index, text in enumerate(texts):
        spent += tokens_of(text)
        if spent > budget_tokens:
            return max(1, index)
    return len(texts)


def tokens_of(text: str) -> int:
    """Return about how many tokens a model makes of the text."""
    return len(text) // CHARACTERS_A_TOKEN + 1
