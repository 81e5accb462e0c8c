"""The control: the same processes with the fence taken out of every commit."""

from runs.journal import statements
from tests.crash.settings import *  # noqa: F403 -- the same settings, then the fence removed

FENCE = "AND epoch = %(epoch)s AND status = 'running'"

statements.GUARDS.update(
    {
        name: text.replace(FENCE, "").replace(" AND node_seq = %(seq)s", "")
        for name, text in statements.GUARDS.items()
    }
)
assert not any("AND epoch" in text for text in statements.GUARDS.values())
