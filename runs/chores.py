"""Jobs that plug-ins give the clock, from AppConfig.ready; each finds by itself what is due, and may be done twice."""

from collections.abc import Callable, Iterator

_chores: dict[str, tuple[Callable[[], object], int]] = {}


def add_chore(name: str, job: Callable[[], object], *, every_ticks: int = 1) -> None:
    """Let every clock do `job` at each n-th of its rounds; the same name again takes the place of the first."""
    _chores[name] = (job, every_ticks)


def chores_of(n_ticks: int) -> Iterator[tuple[str, Callable[[], object]]]:
    """Yield the jobs whose turn it is in the clock's round `n_ticks`, by name."""
    for name, (job, every_ticks) in list(_chores.items()):
        if n_ticks % every_ticks == 0:
            yield name, job
