"""What a monitoring system wants to know, read from the database at once; no team's content is in it."""

from dataclasses import dataclass

from django.db.models import Count, Min
from django.db.models.functions import Now

from runs.models import Run
from runs.selectors.system import SystemStatus, system_status


@dataclass(frozen=True, slots=True)
class Metrics:
    """Open runs by status and queue, how long the oldest queued one waits, flags, workers and the clock."""

    runs: dict[tuple[str, str], int]
    oldest_queued_seconds: dict[str, float]
    health: dict[str, int]
    system: SystemStatus


def metrics() -> Metrics:
    """Return the figures of the whole installation; over partial indexes, whatever has ended is not read."""
    open_runs = Run.objects.filter(ended_at__isnull=True)
    counts = open_runs.values_list("status", "queue").annotate(n=Count("id"))
    queued = Run.objects.filter(status="queued").values_list("queue").annotate(age=Now() - Min("queued_at"))
    flagged = Run.objects.exclude(health=[]).values_list("health", flat=True)
    flags = [flag for found in flagged for flag in found]
    return Metrics(
        runs={(status, queue): n for status, queue, n in counts},
        oldest_queued_seconds={queue: age.total_seconds() for queue, age in queued},
        health={flag: flags.count(flag) for flag in sorted(set(flags))},
        system=system_status(with_broker=False),
    )
