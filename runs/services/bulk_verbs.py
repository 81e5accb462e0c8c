"""The verbs that can be applied to many runs at once."""

from collections.abc import Callable

from runs.models import Run
from runs.services.cancel_run import cancel_run
from runs.services.kill_run import kill_run
from runs.services.pause_run import pause_run
from runs.services.resume_run import resume_run
from runs.services.retry_run import retry_run

BULK_VERBS: dict[str, Callable[..., Run]] = {
    "pause": pause_run, "resume": resume_run, "cancel": cancel_run, "kill": kill_run, "retry": retry_run,
}  # fmt: skip
