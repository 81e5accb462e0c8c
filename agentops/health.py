"""What load balancers and people ask: does the process live, and can the installation do its work."""

import logging

from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from runs.selectors.system import SystemStatus, system_status

logger = logging.getLogger(__name__)


@never_cache
@require_safe
def healthz(request: HttpRequest) -> HttpResponse:
    """Answer 200 as long as this process serves requests; looks at nothing else."""
    return JsonResponse({"status": "ok"})


@never_cache
@require_safe
def readyz(request: HttpRequest) -> HttpResponse:
    """Answer 200 when database, broker, workers and clock work, else 503 with a sentence for each that does not."""
    status = _status()
    complaints = status.complaints if status else ["the database does not answer"]
    checks = {"database": status is not None, **(_checks(status) if status else {})}
    answer = {"ready": not complaints, "checks": checks, "late": complaints}
    return JsonResponse(answer, status=503 if complaints else 200)


def _status() -> SystemStatus | None:
    try:
        return system_status()
    except DatabaseError as error:
        logger.warning("the database does not answer: %s", error)
        return None


def _checks(status: SystemStatus) -> dict[str, object]:
    return {
        "broker": not status.broker_error,
        "workers": len(status.workers),
        "clock_age_seconds": status.clock_age_seconds,
    }
