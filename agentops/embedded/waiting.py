"""Waiting for something outside, with an end to it."""

import time
from collections.abc import Callable

from agentops.embedded.errors import EmbeddedError

_LONGEST_SECONDS = 900.0
_SAY_SECONDS = 10.0


def wait_until(
    holds: Callable[[], bool],
    *,
    what: str,
    timeout_seconds: float,
    has_ended: Callable[[], bool] = lambda: False,
    is_at_work: Callable[[], bool] = lambda: False,
    say: Callable[[str], None] = lambda _: None,
) -> None:
    """Returns once `holds()`.

    Args:
        holds: Asked every 50 ms.
        what: For the error, for example "PostgreSQL did not answer".
        timeout_seconds: How long to ask.
        has_ended: Whether asking on is useless.
        is_at_work: Whether to be patient beyond the time-out, for example while a database recovers.
        say: Hears every ten seconds that this goes on.

    Raises:
        EmbeddedError: It did not hold in time.
    """
    began = heard = time.monotonic()
    while not holds():
        waited = time.monotonic() - began
        limit = _LONGEST_SECONDS if waited > timeout_seconds and is_at_work() else timeout_seconds
        if has_ended() or waited > limit:
            raise EmbeddedError(f"{what} within {waited:.0f} s")
        if time.monotonic() - heard > _SAY_SECONDS:
            heard = time.monotonic()
            say(f"still waiting: {what} within {waited:.0f} s")
        time.sleep(0.05)
