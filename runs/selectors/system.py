"""Whether the machinery behind the runs is alive, and what is late."""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db.models import F
from django.db.models.functions import Now
from kombu import connection as kombu_connection
from kombu.exceptions import KombuError

from agentops.common.conf import conf
from runs.models import ClockBeat, Worker

CLOCK_LATE_SECONDS = 5.0
BROKER_TIMEOUT_SECONDS = 0.5

_Connection: Any = kombu_connection.Connection  # kombu declares types and leaves most of them out


@dataclass(frozen=True, slots=True)
class SystemStatus:
    """What works: `broker_error` is empty when the broker answers, and None when nobody asked it.

    `clock_age_seconds` is how long ago the last clock went round, None when none ever has; `failing_jobs` are those of
    the clocks that failed at their last turn, each with its error.
    """

    workers: list[Worker]
    clock_age_seconds: float | None
    broker_error: str | None
    failing_jobs: dict[str, str] = field(default_factory=dict)

    @property
    def is_clock_on_time(self) -> bool:
        return self.clock_age_seconds is not None and self.clock_age_seconds < CLOCK_LATE_SECONDS

    @property
    def complaints(self) -> list[str]:
        """One sentence for each thing that is late or gone; empty when all is well."""
        found = []
        if not self.workers:
            found.append("no worker has sent a beat lately: runs wait in the queue until one starts")
        if self.clock_age_seconds is None:
            found.append("no clock has ever run: timers do not fire and lost runs are not found")
        elif not self.is_clock_on_time:
            found.append(f"the clock is late: it last went round {self.clock_age_seconds:.0f} s ago")
        found += [
            f"the clock's job {name!r} fails ({error}), the others go on: its log has the details"
            for name, error in self.failing_jobs.items()
        ]
        if self.broker_error:
            found.append(f"the broker does not answer ({self.broker_error}): runs start with delay")
        return found


def system_status(*, with_broker: bool = True) -> SystemStatus:
    """Return which workers are alive and whether clock and broker work; the same for every team.

    Asking the broker costs a connection, so pages that refresh often leave it out.
    """
    alive = Now() - timedelta(seconds=conf().lease_seconds)
    workers = Worker.objects.filter(dead_at__isnull=True, beat_at__gt=alive)
    clock = ClockBeat.objects.annotate(age=Now() - F("beat_at")).order_by("-beat_at").first()
    return SystemStatus(
        workers=list(workers.order_by("host", "pid")),
        clock_age_seconds=clock.age.total_seconds() if clock else None,
        broker_error=_broker_error() if with_broker else None,
        failing_jobs=clock.failing if clock else {},
    )


def agent_file_problems() -> dict[str, str]:
    """Return the error of each agent file that could not be loaded, as the clock that went round last tells it."""
    fresh = Now() - timedelta(seconds=CLOCK_LATE_SECONDS)
    told = (
        ClockBeat.objects.filter(beat_at__gt=fresh)
        .order_by("-beat_at")
        .values_list("problems", flat=True)
        .first()
    )
    return {str(name): str(error) for name, error in told.items()} if isinstance(told, dict) else {}


def _broker_error() -> str:
    """Return why the broker cannot be reached, empty when it can."""
    timeouts = {
        "socket_timeout": BROKER_TIMEOUT_SECONDS,
        "socket_connect_timeout": BROKER_TIMEOUT_SECONDS,
        "max_retries": 0,
    }
    connection = _Connection(
        settings.CELERY_BROKER_URL, connect_timeout=BROKER_TIMEOUT_SECONDS, transport_options=timeouts
    )
    try:
        with connection:
            connection.ensure_connection(max_retries=1, timeout=BROKER_TIMEOUT_SECONDS)
            connection.default_channel.close()
    except (*connection.connection_errors, *connection.channel_errors, KombuError, OSError) as error:
        return str(error).split("\n")[0] or type(error).__name__
    return ""
