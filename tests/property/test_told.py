"""The id of an event says exactly what has been told, whatever the order in which it was."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentops.common.errors import BadQueryError
from runs.selectors.told import Told

steps = st.lists(st.integers(1, 40), unique=True, max_size=40)


def told_of(seqs: list[int]) -> Told:
    told = Told()
    for seq in seqs:
        told = told.with_step(seq)
    return told


def members(told: Told) -> set[int]:
    return {seq for first, last in told.ranges for seq in range(first, last + 1)}


@given(steps)
def test_the_ranges_hold_what_was_told_and_nothing_else(seqs: list[int]) -> None:
    told = told_of(seqs)
    assert members(told) == set(seqs)
    gaps = zip(told.ranges, told.ranges[1:], strict=False)
    assert all(one[1] + 1 < other[0] for one, other in gaps), "as few ranges as can be, in their order"


@given(steps)
def test_everything_up_to_the_floor_was_told(seqs: list[int]) -> None:
    told = told_of(seqs)
    assert set(range(1, told.floor + 1)) <= set(seqs)
    assert told.floor + 1 not in seqs


@given(
    steps,
    st.dictionaries(st.integers(41, 60), st.integers(1, 99)),
    st.sampled_from(["", "running", "failed@1.5"]),
)
def test_an_id_read_is_the_id_written(seqs: list[int], lines: dict[int, int], status: str) -> None:
    told = told_of(seqs)
    for seq, n in lines.items():
        told = told.with_line(seq, n)
    told = Told(told.ranges, (61, 2), told.lines, status, "9f")
    assert Told.parse(str(told)) == told


def test_a_step_told_needs_its_lines_no_more_but_a_failed_node_does() -> None:
    told = Told().with_line(1, 3).with_line(2, 1).with_step(2)
    assert str(told) == "2//1.3//"
    assert str(told.with_step(1, failed_attempt=2)) == "1-2/1.2/1.3//"
    assert told.with_step(1, failed_attempt=2).floor == 0
    assert str(told.with_step(1, failed_attempt=2).with_step(1)) == "1-2////"


@given(st.text(max_size=30) | st.from_regex(r"\A[0-9,.\-/]{0,30}\Z"))
def test_what_is_no_id_is_refused(text: str) -> None:
    try:
        told = Told.parse(text)
    except BadQueryError:
        return
    assert Told.parse(str(told)) == told


@pytest.mark.parametrize(
    "text", ["3", "1-", "0////", "5-3////", "1-3,4////", "1,x////", "1////\n", "9" * 20 + "////"]
)
def test_an_id_that_was_made_up_is_refused(text: str) -> None:
    with pytest.raises(BadQueryError):
        Told.parse(text)
