"""Doing the same thing in several threads at once, each on a database connection of its own."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any, TypeVar

from django.db import connection

T = TypeVar("T")


def at_once(action: Callable[..., T], *arguments: Any, times: int = 6) -> list[T]:
    """Return what each of `times` threads got that began `action(*arguments)` together.

    Raises: what an action raised.
    """
    barrier = Barrier(times)

    def one() -> T:
        try:
            connection.ensure_connection()
            barrier.wait(timeout=10)
            return action(*arguments)
        finally:
            connection.close()

    with ThreadPoolExecutor(times) as pool:
        return [future.result() for future in [pool.submit(one) for _ in range(times)]]
