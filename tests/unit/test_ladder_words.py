"""A ladder of remedies is written as it is read."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runs.engine.ladder_words import LadderError, ladder_of, ladder_text
from runs.engine.watch_rules import DEFAULTS, MAX_SECONDS, REMEDIES, Remedy

LADDERS = st.lists(
    st.builds(
        Remedy, st.sampled_from(REMEDIES), st.integers(0, MAX_SECONDS) | st.sampled_from([0.5, 1.25, 90.5])
    ),
    max_size=10,
)


@given(LADDERS)
def test_what_is_written_is_read_as_it_was(ladder: list[Remedy]) -> None:
    assert ladder_of(ladder_text(ladder)) == ladder


def test_the_defaults_read_as_the_documentation_says_them() -> None:
    assert ladder_text(DEFAULTS["looping"].ladder) == "notify, nudge, hand-off after 30 s, pause after 1 min"
    assert ladder_text(DEFAULTS["runaway"].ladder) == "notify, pause agent"
    assert ladder_of("Hand off after 2 Minutes,  PAUSE AGENT after 1h,") == [
        Remedy("hand_off", 120),
        Remedy("pause_agent", 3600),
    ]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("notify, panic", "no remedy 'panic'; there are notify, nudge, hand-off"),
        ("pause after 1 fortnight", "'fortnight' is no unit of time; use s, min, h, d"),
        ("pause after soon", "no remedy 'pause after soon'"),
        ("pause 3 h", "cannot be read"),
        ("pause after 400 d", "more than a year"),
        ("\u202e<script>", "cannot be read"),
        ("a" * 100_000, "no remedy"),
    ],
)  # fmt: skip
def test_what_is_no_ladder_is_refused_with_what_would_be(text: str, told: str) -> None:
    with pytest.raises(LadderError, match=told):
        ladder_of(text)
