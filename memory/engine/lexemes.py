"""Which words of a question to look up, so that a search costs the same in a large memory (pure)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

MANY_ROWS = 5_000
MAX_LEXEMES = 32


@dataclass(frozen=True, slots=True)
class Plan:
    """Rows must have `any_of`, or all of `all_of`; their order is made by all lexemes of the question."""

    any_of: tuple[str, ...]
    all_of: tuple[str, ...]


def plan(lexemes: Sequence[str], frequencies: Mapping[str, float], n_rows: float) -> Plan:
    """Return what to look up for these lexemes.

    A question's words are alternatives: nobody remembers in the words of the question. But a word that stands in a
    great share of all rows finds nothing by itself, and would make the database rank them all.

    Args:
        lexemes: of the question, as the index has them.
        frequencies: the share of rows that has a lexeme, for those the database keeps count of.
        n_rows: about how many rows there are.
    """
    known = tuple(dict.fromkeys(lexemes))[:MAX_LEXEMES]
    rare = tuple(word for word in known if frequencies.get(word, 0.0) * n_rows <= MANY_ROWS)
    return Plan(rare, ()) if rare else Plan((), known)
