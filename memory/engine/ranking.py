"""How the two legs of a search become one list (pure).

Source: Cormack, Clarke, Büttcher, Reciprocal Rank Fusion (SIGIR 2009). Its k = 60 is for lists of a thousand; with lists of
fifty it puts what stands somewhere in both before what one leg is sure of, a rare number for example. ADR 20 has figures.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from memory.engine.kinds import Trust

K = TypeVar("K")

RANK_CONSTANT = 10
# What likeness of letters is worth beside words: letters are alike by chance, too.
LETTERS_WEIGHT = 0.3
_ENOUGH_SHARE = 0.2
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


def words_weight(share: float) -> float:
    """Return what the word of a leg is worth that found `share` (from 0 to 1) of what was asked."""
    return min(1.0, share / _ENOUGH_SHARE)


def fuse(legs: Mapping[str, Mapping[K, float]], worth: Mapping[K, Worth]) -> list[Ranked[K]]:
    """Return what the legs found, the best first.

    Args:
        legs: what each found, its best first, with the weight (from 0 to 1) that its word has: a leg that found little of
            what was asked does not overrule one that found all of it.
        worth: of each that was found.
    """
    places: dict[K, dict[str, int]] = {}
    fits: dict[K, float] = {}
    for name, found in legs.items():
        for place, (key, weight) in enumerate(found.items(), start=1):
            places.setdefault(key, {})[name] = place
            fits[key] = fits.get(key, 0.0) + weight / (RANK_CONSTANT + place)
    ranked = [_ranked(key, places[key], fit, worth[key]) for key, fit in fits.items()]
    return sorted(ranked, key=lambda one: (-one.score, min(one.places.values()), str(one.key)))


def _ranked(key: K, places: Mapping[str, int], fit: float, worth: Worth) -> Ranked[K]:
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
