"""The page that Prometheus reads."""

import hmac
from collections.abc import Iterator

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector

from agentops.common.errors import NotAuthenticatedError
from agentops.problems import problem_response
from runs.selectors.metrics import Metrics, metrics

_LOOPBACK = frozenset({"127.0.0.1", "::1"})


@never_cache
@require_safe
def metrics_page(request: HttpRequest) -> HttpResponse:
    """Answer the installation's figures to callers on this host, or with `Authorization: Bearer <METRICS_TOKEN>`."""
    if not _may_read(request):
        return problem_response(NotAuthenticatedError("send METRICS_TOKEN as a bearer token"))
    registry = CollectorRegistry()
    registry.register(_Collector(metrics()))
    return HttpResponse(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)


def _may_read(request: HttpRequest) -> bool:
    if not settings.METRICS_TOKEN:
        return request.META.get("REMOTE_ADDR") in _LOOPBACK and "HTTP_X_FORWARDED_FOR" not in request.META
    given = request.headers.get("Authorization", "")
    return hmac.compare_digest(given.encode(), f"Bearer {settings.METRICS_TOKEN}".encode())


class _Collector(Collector):
    def __init__(self, found: Metrics) -> None:
        self.found = found

    def collect(self) -> Iterator[Metric]:
        found = self.found
        runs = GaugeMetricFamily(
            "agentops_runs", "Open runs by status and queue.", labels=["status", "queue"]
        )
        for (status, queue), count in found.runs.items():
            runs.add_metric([status, queue], count)
        yield runs
        oldest = GaugeMetricFamily(
            "agentops_oldest_queued_seconds", "How long the oldest queued run waits.", labels=["queue"]
        )
        for queue, seconds in found.oldest_queued_seconds.items():
            oldest.add_metric([queue], seconds)
        yield oldest
        flags = GaugeMetricFamily("agentops_runs_flagged", "Runs by health flag.", labels=["flag"])
        for flag, count in found.health.items():
            flags.add_metric([flag], count)
        yield flags
        yield GaugeMetricFamily(
            "agentops_workers", "Living worker processes.", value=len(found.system.workers)
        )
        yield GaugeMetricFamily(
            "agentops_worker_slots",
            "Slots of living workers.",
            value=sum(w.slots for w in found.system.workers),
        )
        age = found.system.clock_age_seconds
        yield GaugeMetricFamily(
            "agentops_clock_age_seconds",
            "Since the clock last went round.",
            value=float("inf") if age is None else age,
        )
