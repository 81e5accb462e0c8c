"""Embed what is older than the extension, or than the way texts are embedded now."""

from uuid import UUID

from memory.adapters.vectors import embed_missing

PAGE_ITEMS = 500
_FIRST = UUID(int=0)


class Walk:
    """Goes through all items, a page at a time, round and round; where it stands is lost with the process, and need not be kept."""

    def __init__(self) -> None:
        self._after = _FIRST

    def go_on(self) -> int:
        """Look at the next page, and return how many items of it got a vector."""
        after, n_embedded = embed_missing(self._after, PAGE_ITEMS)
        self._after = after or _FIRST
        return n_embedded
