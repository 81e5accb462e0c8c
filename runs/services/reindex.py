"""Read anew what runs that have ended held, all of them."""

from collections.abc import Iterator

from runs.journal.fence import execute
from runs.services.read_texts import MARK, read_texts

# The clock's reader goes along the ends of runs from this mark on; what it has read is written over.
_FROM = """
INSERT INTO runs_readmark (name, ended_at) VALUES (%(name)s, clock_timestamp() - make_interval(days => %(days)s::int))
ON CONFLICT (name) DO UPDATE SET ended_at = least(runs_readmark.ended_at, excluded.ended_at) RETURNING name
"""


def reindex(*, days: int) -> Iterator[int]:
    """Yield, as it goes on, how many runs were read that ended within the last `days`.

    A clock that goes round meanwhile reads along; who breaks off leaves the rest to it. Transaction: see read_texts.
    """
    execute(_FROM, {"name": MARK, "days": days})
    n_read = 0
    while n := read_texts():
        n_read += n
        yield n_read
