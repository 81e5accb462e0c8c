"""What somebody probably meant."""

from collections.abc import Iterable
from difflib import get_close_matches

MAX_COMPARED_CHARACTERS = 40


def nearest(word: str, known: Iterable[str]) -> str:
    """Return the known word most like `word`; empty when none is."""
    found = get_close_matches(word[:MAX_COMPARED_CHARACTERS].lower(), list(known), n=1)
    return found[0] if found else ""
