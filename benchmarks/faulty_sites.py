"""Fifty demo sites in one process, each with faults of its own that are the same again for the same seed, and a count of what came of it."""

import random
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from agentops.demo.site.behaviour import FAULTS, Behaviour, Fate, Fortune
from agentops.demo.site.library import Library
from agentops.demo.site.server import DemoSite

SHARE, SLOW_SHARE = 0.15, 0.05
SLOW = ("timeout", "hang")
HANG_SECONDS = 25.0


class Counting(Fortune):
    """A Fortune that remembers how often each page was given whole."""

    def __init__(self, behaviour: Behaviour) -> None:
        super().__init__(behaviour)
        self.given: Counter[str] = Counter()

    def fate(self, path: str) -> Fate:
        found = super().fate(path)
        if not found.fault and path.startswith("/modules/"):
            with self._lock:
                self.given[path] += 1
        return found


class FaultySite(DemoSite):
    """A site whose faults come from its seed: a time-out, 429 with Retry-After, 500, a hang, what is not HTTP, a cut."""

    def __init__(self, seed: int, library: Library) -> None:
        dice = random.Random(seed)
        faults = {kind: dice.uniform(0, SLOW_SHARE if kind in SLOW else SHARE) for kind in FAULTS}
        behaviour = Behaviour(faults=faults, hang_seconds=HANG_SECONDS, crawl_delay_seconds=0.0, seed=seed)
        super().__init__(behaviour=behaviour, library=library)
        self.fortune: Counting = Counting(behaviour)

    @property
    def n_published(self) -> int:
        return sum(self.reports.figures()["applied"].values())

    @property
    def n_given(self) -> int:
        return self.fortune.given.total()

    @property
    def n_pages(self) -> int:
        return len(self.fortune.given)


@contextmanager
def faulty_sites(n: int) -> Iterator[Sequence[FaultySite]]:
    """Serve `n` sites, the seed of each its number, on ports of this machine."""
    library = Library()
    for name in library.names[:30]:
        library.page(name)
    sites = [FaultySite(seed, library) for seed in range(n)]
    threads = [threading.Thread(target=site.serve_forever, daemon=True) for site in sites]
    for thread in threads:
        thread.start()
    try:
        yield sites
    finally:
        for site in sites:
            site.shutdown()
            site.server_close()
