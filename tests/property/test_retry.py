"""Back-off: never shorter than before, never longer than allowed, never earlier than the other side asked."""

from hypothesis import given
from hypothesis import strategies as st

from runs.engine.retry import RetryPolicy

seconds = st.floats(0, 3600)
policies = st.builds(
    RetryPolicy, max_attempts=st.integers(1, 1000), first_seconds=seconds, factor=st.floats(1, 100),
    max_seconds=seconds,
)  # fmt: skip
attempts = st.integers(1, 2000)
jitters = st.floats(0, 1, exclude_max=True)


@given(policies, attempts)
def test_the_longest_wait_grows_up_to_its_limit(policy: RetryPolicy, attempt: int) -> None:
    assert 0 <= policy.ceiling_seconds(attempt) <= policy.ceiling_seconds(attempt + 1) <= policy.max_seconds


@given(policies, attempts, jitters, st.none() | st.floats(0, 1e6))
def test_a_wait_keeps_its_bounds(
    policy: RetryPolicy, attempt: int, jitter: float, asked: float | None
) -> None:
    delay = policy.delay_seconds(attempt, jitter, asked)
    assert (delay is None) == (attempt >= policy.max_attempts)
    if delay is not None:
        assert delay >= (asked or 0)
        assert 0 <= delay <= max(policy.ceiling_seconds(attempt), asked or 0)


@given(policies, attempts, jitters, jitters)
def test_more_jitter_never_waits_less(policy: RetryPolicy, attempt: int, one: float, other: float) -> None:
    less, more = (policy.delay_seconds(attempt, jitter) for jitter in sorted((one, other)))
    assert less is None or more is None or less <= more
