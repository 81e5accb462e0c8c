"""Over any minute no more goes through a gate than its limits allow, whatever the requests are like."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from runs.engine.gates import (
    FIRST_OPEN_SECONDS,
    PROBE_GRACE_SECONDS,
    TOKENS_BURST_SHARE,
    TRIP_FAILURES,
    Gate,
    Limits,
    Way,
    admit,
    failed,
    learned,
    succeeded,
    throttled,
)


@given(
    rpm=st.integers(1, 600),
    tpm=st.integers(1000, 100_000),
    gaps=st.lists(st.floats(0, 20, allow_nan=False), min_size=50, max_size=300),
    share=st.floats(0.001, TOKENS_BURST_SHARE),
)
def test_no_minute_sees_more_than_the_limits(rpm: int, tpm: int, gaps: list[float], share: float) -> None:
    gate, now, tokens = Gate(limits=Limits(rpm, tpm)), 0.0, max(int(tpm * share), 1)
    went: list[float] = []
    for gap in gaps:
        now += gap
        gate, verdict = admit(gate, now, tokens=tokens, timeout_seconds=10)
        if verdict.way is Way.WAIT:
            now += verdict.seconds + 1e-6
            gate, verdict = admit(gate, now, tokens=tokens, timeout_seconds=10)
        assert verdict.may_go, "who waited as long as they were told may go"
        went.append(now)
    for n, since in enumerate(went):
        within = sum(since <= at < since + 60 for at in went[n:])
        assert within <= max(rpm, 1) + 1
        assert within * tokens <= tpm + tokens


def broken(now: float = 0.0) -> Gate:
    gate = Gate()
    for _ in range(TRIP_FAILURES):
        gate = failed(gate, now, estimated=0)
    return gate


def test_after_failures_in_a_row_nobody_goes_and_then_one_probe() -> None:
    gate = broken()
    assert admit(gate, 1.0, tokens=1, timeout_seconds=10)[1].way is Way.OPEN
    after = FIRST_OPEN_SECONDS + 0.1
    gate, verdict = admit(gate, after, tokens=1, timeout_seconds=10)
    assert verdict.way is Way.PROBE
    assert admit(gate, after, tokens=1, timeout_seconds=10)[1].way is Way.OPEN
    assert admit(gate, after + 10.1, tokens=1, timeout_seconds=10)[1].way is Way.OPEN, (
        "its failure is yet to be noted"
    )
    assert (
        admit(gate, after + 10.1 + PROBE_GRACE_SECONDS, tokens=1, timeout_seconds=10)[1].way is Way.PROBE
    ), "a probe that died is followed"
    closed = succeeded(gate, estimated=1, actual=1)
    assert admit(closed, after, tokens=1, timeout_seconds=10)[1].way is Way.GO


def test_a_probe_that_fails_closes_the_way_for_longer() -> None:
    gate, _ = admit(broken(), 20.0, tokens=1, timeout_seconds=10)
    gate = failed(gate, 21.0, estimated=1)
    assert admit(gate, 21.0, tokens=1, timeout_seconds=10)[1].seconds == 2 * FIRST_OPEN_SECONDS


def test_failures_far_apart_do_not_open_it() -> None:
    gate = Gate()
    for now in (0.0, 100.0, 200.0, 300.0):
        gate = failed(gate, now, estimated=0)
    assert not gate.is_open


def test_without_a_retry_after_the_waits_double() -> None:
    gate = throttled(Gate(), 0.0, estimated=0, retry_after_seconds=None)
    assert admit(gate, 0.0, tokens=1, timeout_seconds=10)[1].seconds == 1.0
    gate = throttled(gate, 1.0, estimated=0, retry_after_seconds=None)
    assert admit(gate, 1.0, tokens=1, timeout_seconds=10)[1].seconds == 2.0


def test_what_can_never_fit_is_told_at_once() -> None:
    assert admit(Gate(limits=Limits(0, 100)), 0.0, tokens=101, timeout_seconds=1)[1].way is Way.TOO_LARGE


def test_what_the_provider_says_is_left_counts_where_it_is_less() -> None:
    gate = learned(Gate(), 0.0, Limits(600, 0), requests_left=2, tokens_left=None)
    ways = []
    for _ in range(3):
        gate, verdict = admit(gate, 0.0, tokens=1, timeout_seconds=1)
        ways.append(verdict.way)
    assert ways == [Way.GO, Way.GO, Way.WAIT]


def test_those_that_wait_are_told_to_come_back_one_after_the_other_and_then_go() -> None:
    gate, times = Gate(limits=Limits(rpm=60)), []
    for _ in range(26):
        gate, verdict = admit(gate, 100.0, tokens=1, timeout_seconds=10)
        if verdict.way is Way.WAIT:
            times.append(100.0 + verdict.seconds)
    assert len(times) == 20
    assert all(later - earlier > 1.0 for earlier, later in pairwise(times))
    for at in times:
        gate, verdict = admit(gate, at + 0.001, tokens=1, timeout_seconds=10)
        assert verdict.way is Way.GO
    assert admit(gate, times[-1] + 3600, tokens=1, timeout_seconds=10)[1].way is Way.GO


def test_what_went_before_the_limits_were_known_counts_against_them() -> None:
    gate, sent = Gate(), []
    for _ in range(64):
        gate, verdict = admit(gate, 0.0, tokens=400, timeout_seconds=10)
        assert verdict.may_go
        sent.append(400)
    gate = succeeded(gate, estimated=400, actual=400)
    gate = learned(gate, 1.0, Limits(rpm=300, tpm=100_000), requests_left=299, tokens_left=99_600)
    for tenth in range(10, 600):
        gate, verdict = admit(gate, tenth / 10, tokens=400, timeout_seconds=10)
        sent += [400] * verdict.may_go
    assert sum(sent) <= 100_000
    assert len(sent) <= 300
    assert sum(sent) > 80_000, "and not much is left unused"
