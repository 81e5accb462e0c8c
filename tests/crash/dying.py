"""A process of its own that is killed at one of its statements."""

import os
import signal
from collections.abc import Callable
from typing import Any

from django.db import connections

from runs.journal import prepared


def killed(action: Callable[[], Any], at: int) -> bool:
    """Do `action` in a process of its own that is killed at its statement number `at`; return whether it came so far."""
    pid = os.fork()
    if pid == 0:
        try:
            _begin_anew(at)
            action()
        finally:
            os._exit(0)
    return os.WIFSIGNALED(os.waitpid(pid, 0)[1])


def _begin_anew(at: int) -> None:
    connection = connections["default"]
    connection.connection = None  # it belongs to the other process
    connection.close_if_unusable_or_obsolete = lambda: None  # type: ignore[method-assign]  # only here
    left = [at]

    def dying(ask: Callable[..., Any]) -> Callable[..., Any]:
        def ask_or_die(*args: Any, **more: Any) -> Any:
            left[0] -= 1
            if left[0] < 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return ask(*args, **more)

        return ask_or_die

    prepared.run = dying(prepared.run)  # in this process alone
    connection.execute_wrappers.append(lambda execute, *args: dying(execute)(*args))
