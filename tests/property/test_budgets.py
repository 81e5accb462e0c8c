"""The arithmetic of budgets: whatever calls come, fail and settle in whatever order, no more is spent than allowed."""

from hypothesis import given
from hypothesis import strategies as st

from runs.engine.budgets import (
    Line,
    Purse,
    Way,
    decide,
    exhausted,
    past_soft,
    proposed_raise,
    raise_by,
    reserve,
    settle,
    spend,
)

UNIT = "tokens"


def a_purse(hard: int, soft: int | None = None) -> Purse:
    return Purse({UNIT: Line(soft, hard)}, {}, {}, {})


# Each call reserves so much, takes a share of it, and is settled so many calls later.
CALLS = st.lists(st.tuples(st.integers(0, 500), st.floats(0, 1), st.integers(0, 5)), min_size=1, max_size=60)


@given(hards=st.lists(st.integers(1, 3000), min_size=1, max_size=3), calls=CALLS)
def test_no_purse_ever_holds_more_than_its_limit(
    hards: list[int], calls: list[tuple[int, float, int]]
) -> None:
    purses = [a_purse(hard) for hard in hards]
    under_way: list[tuple[int, int, int]] = []
    for n, (amount, share, later) in enumerate(calls):
        for due in [call for call in under_way if call[0] <= n]:
            purses = [settle(purse, {UNIT: due[1]}, {UNIT: due[2]}) for purse in purses]
            under_way.remove(due)
        verdict = decide(purses, {UNIT: amount})
        if verdict.way is Way.GO:
            purses = [reserve(purse, {UNIT: amount}) for purse in purses]
            under_way.append((n + later, amount, int(amount * share)))
        elif verdict.way is Way.WAIT:
            assert under_way, "who waits is let go on by somebody who settles"
        for purse, hard in zip(purses, hards, strict=True):
            assert purse.spent.get(UNIT, 0) + purse.reserved.get(UNIT, 0) <= hard
    for _, amount, took in under_way:
        purses = [settle(purse, {UNIT: amount}, {UNIT: took}) for purse in purses]
    assert {purse.reserved.get(UNIT, 0) for purse in purses} == {0}


@given(hard=st.integers(1, 3000), spent=st.integers(0, 5000), needed=st.integers(0, 5000))
def test_what_one_click_adds_is_enough_for_the_call_that_did_not_fit(
    hard: int, spent: int, needed: int
) -> None:
    purse = spend(a_purse(hard), {UNIT: spent})
    verdict = decide([purse], {UNIT: needed})
    if verdict.way is Way.STOP:
        purse = raise_by(purse, {UNIT: proposed_raise(purse, UNIT, max(needed, 1))})
        assert decide([purse], {UNIT: needed}).way is Way.GO


@given(spent=st.integers(0, 200))
def test_limits_are_reached_when_as_much_is_spent(spent: int) -> None:
    purse = spend(a_purse(100, soft=80), {UNIT: spent})
    assert (past_soft(purse) == UNIT) == (spent >= 80)
    assert (exhausted([purse], [UNIT]).way is Way.STOP) == (spent >= 100)
    assert purse.left(UNIT) == max(100 - spent, 0)


@given(amounts=st.lists(st.integers(0, 1000), max_size=20))
def test_what_has_no_limit_always_goes(amounts: list[int]) -> None:
    purse = Purse({UNIT: Line(soft=1)}, {}, {}, {})
    for amount in amounts:
        assert decide([purse], {UNIT: amount, "steps": 1}).way is Way.GO
        purse = spend(purse, {UNIT: amount})
