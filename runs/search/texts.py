"""Bare words: the beginning of words of the title, of the id, or a whole tag."""

import re
import string

from agentops.common.query import Value, refusal
from runs.search.keys import has_tag
from runs.search.kinds import id_range
from runs.search.sql import Condition, any_of

_SURE_ID = re.compile(r"(?:[0-9a-fA-F]-?){12,32}")
_TO_SPACES = str.maketrans(dict.fromkeys(string.punctuation, " "))
# The same expression as the index run_words has, character for character: constants in it are no parameters.
_PUNCTUATION = string.punctuation.replace("'", "''").replace("%", "%%")
_SPACES = " " * len(string.punctuation)


def words_in(column: str) -> str:
    """Return the words of a column as its index has them: every mark is a space."""
    return f"to_tsvector('simple', translate({column}, '{_PUNCTUATION}', '{_SPACES}'))"


WORDS = words_in("r.title")


def spaced(text: str) -> str:
    """Return the text as its words are indexed."""
    return text.translate(_TO_SPACES)


def text_condition(value: Value) -> Condition:
    """Return the condition that the run is found by this word, or by these words in their order.

    Raises: BadQueryError when there is no letter or digit in it.
    """
    phrase = phrase_of(value)
    same_id = id_range(value.text)
    if same_id and _SURE_ID.fullmatch(value.text):
        return _has_id(*same_id)
    found = [
        Condition(f"{WORDS} @@ to_tsquery('simple', %s)", (phrase,)).as_rare(),
        has_tag(value.text),
    ]
    return any_of([*found, _has_id(*same_id)] if same_id else found)


def phrase_of(value: Value) -> str:
    """Return the words in their order, of which the last may go on, as PostgreSQL asks for them.

    Raises: BadQueryError when there is no letter or digit in them.
    """
    parts = value.text.translate(_TO_SPACES).split()
    if not any(character.isalnum() for part in parts for character in part):
        raise refusal(
            f"{value.text[:40]!r} has no letter or digit to look for (character {value.at})", value.at
        )
    return " <-> ".join(f"'{part}'" for part in parts) + ":*"


def _has_id(first: object, last: object) -> Condition:
    return Condition("r.id BETWEEN %s AND %s", (first, last)).as_rare()
