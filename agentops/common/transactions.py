"""Transactions: the only place that opens one, demands one, or runs something after its commit."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import ParamSpec, TypeVar

from django.db import connection
from django.db.transaction import atomic, on_commit  # noqa: TID251 -- this module is their one home

P = ParamSpec("P")
R = TypeVar("R")


@contextmanager
def transaction() -> Iterator[None]:
    """Open a transaction; inside another one, a savepoint."""
    with atomic():
        yield


def transaction_required(function: Callable[P, R]) -> Callable[P, R]:
    """Make `function` refuse to run outside a transaction."""

    @wraps(function)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
        if not connection.in_atomic_block:
            raise RuntimeError(f"{function.__qualname__} needs a transaction around it")
        return function(*args, **kwargs)

    return wrapper


def after_commit(callback: Callable[[], None]) -> None:
    """Run `callback` once the transaction has committed; what it raises is logged, not passed on."""
    on_commit(callback, robust=True)
