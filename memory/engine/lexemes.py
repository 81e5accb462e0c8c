"""Which words of a question to look up, so that a search costs the same in a large memory (pure)."""

from collections.abc import Mapping, Sequence
from itertools import combinations

MANY_ROWS = 3_000
MAX_LEXEMES = 32


def distinct(lexemes: Sequence[str]) -> list[str]:
    """Return what of a question counts, in its order."""
    return list(dict.fromkeys(lexemes))[:MAX_LEXEMES]


def looked_up(lexemes: Sequence[str], shares: Mapping[str, float], n_rows: float) -> list[tuple[str, ...]]:
    """Return what a row must have one of: words, or pairs of words that it must have both of.

    A question's words are alternatives: nobody remembers in the words of the question. But a word that stands in a
    great share of all rows finds nothing by itself, and would make the database rank them all. So the rarest come first,
    then pairs, as long as no more than about MANY_ROWS rows are found; all words together where even that is too much.

    Args:
        lexemes: of the question, as the index has them.
        shares: of the rows that have a lexeme, for those the database keeps count of; others are rare.
        n_rows: about how many rows there are.
    """
    rows = {
        word: shares.get(word, 0.0) * n_rows for word in sorted(lexemes, key=lambda one: shares.get(one, 0.0))
    }
    pairs = (
        [(pair, rows[pair[0]] * rows[pair[1]] / n_rows) for pair in combinations(rows, 2)] if n_rows else []
    )
    taken: list[tuple[str, ...]] = []
    left = float(MANY_ROWS)
    for words, n_found in [*(((word,), n) for word, n in rows.items()), *pairs]:
        if n_found <= left and not any(set(one) <= set(words) for one in taken):
            taken.append(words)
            left -= n_found
    return taken or [tuple(rows)]
