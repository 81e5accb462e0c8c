"""How often an attempt is repeated, and after what time."""

import pytest

from runs.engine.retry import ONCE, RetryPolicy


def test_waits_double_up_to_the_longest() -> None:
    policy = RetryPolicy(max_attempts=9, first_seconds=1, factor=2, max_seconds=10)
    assert [policy.ceiling_seconds(attempt) for attempt in range(1, 7)] == [1, 2, 4, 8, 10, 10]


def test_jitter_is_full() -> None:
    policy = RetryPolicy(max_attempts=9, first_seconds=8)
    assert policy.delay_seconds(1, 0.0) == 0
    assert policy.delay_seconds(1, 0.25) == 2


def test_the_last_attempt_is_followed_by_none() -> None:
    policy = RetryPolicy(max_attempts=3)
    assert [policy.delay_seconds(attempt, 0.5) is None for attempt in (1, 2, 3, 4)] == [
        False,
        False,
        True,
        True,
    ]
    assert ONCE.delay_seconds(1, 0.5) is None


@pytest.mark.parametrize(("asked", "waited"), [(120.0, 120.0), (0.5, 4.0), (None, 4.0), (4000.0, 4000.0)])
def test_what_the_other_side_asks_for_is_never_undercut(asked: float | None, waited: float) -> None:
    assert RetryPolicy(first_seconds=8).delay_seconds(1, 0.5, asked) == waited
