"""Whatever is left out of a talk, no call is parted from its results, and the originals stay."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from agentops.demo.rehearsal.wire import check_pairs
from runs.engine.chat import NO_OUTCOME, Strategy, compaction, estimate_tokens, result_of, shown


@st.composite
def talks(draw: st.DrawFn) -> list[dict[str, Any]]:
    """A talk as the program keeps it; here and there a call that nobody knows the outcome of."""
    found: list[dict[str, Any]] = [{"role": "user", "text": "the task"}]
    for turn in range(draw(st.integers(1, 12))):
        ids = [f"call_{turn}_{n}" for n in range(draw(st.integers(0, 3)))]
        calls = [{"id": call_id, "tool": "t", "args": {}} for call_id in ids]
        found.append({"role": "assistant", "text": draw(st.text(max_size=40)), "calls": calls})
        done = [call for call in calls if draw(st.integers(0, 9))]
        found += [result_of(call, "x" * draw(st.integers(0, 200))) for call in done]
        if not calls:
            found.append({"role": "user", "text": "go on"})
    return found


def on_the_wire(messages: list[Any]) -> list[dict[str, Any]]:
    return [
        {
            "role": it["role"],
            "tool_call_id": it.get("call"),
            "tool_calls": [{"id": call["id"]} for call in it.get("calls", [])],
        }
        for it in messages
    ]


@given(
    talk=talks(),
    strategies=st.lists(
        st.sampled_from([Strategy.TRIM, Strategy.DELETE, Strategy.SUMMARISE, Strategy.CLEAR_TOOL_RESULTS]),
        max_size=3,
    ),
    keep_tokens=st.integers(0, 400),
    keep_turns=st.integers(0, 4),
)
def test_every_call_has_its_results_and_every_result_its_call(
    talk: list[dict[str, Any]], strategies: list[Strategy], keep_tokens: int, keep_turns: int
) -> None:
    before = [dict(message) for message in talk]
    done: list[dict[str, Any]] = []
    start = 0
    for strategy in strategies:
        found = compaction(strategy, talk, start=start, keep_tokens=keep_tokens, keep_turns=keep_turns)
        if found is not None:
            done.append(found | ({"summary": "short"} if strategy is Strategy.SUMMARISE else {}))
            start = done[-1]["to"] - 1
    seen = shown(talk, done)
    check_pairs(on_the_wire(seen))
    assert seen[0]["text"] == "the task"
    assert talk == before
    undone = [found | {"undone": True} for found in done]
    assert shown(talk, undone) == shown(talk)


def test_a_call_without_outcome_is_shown_with_a_stand_in() -> None:
    call = {"id": "a", "tool": "t", "args": {}}
    seen = shown([{"role": "user", "text": "x"}, {"role": "assistant", "text": "", "calls": [call]}])
    assert seen[-1]["result"] == NO_OUTCOME


def test_clearing_leaves_the_call_and_says_how_much_was_there() -> None:
    call = {"id": "a", "tool": "t", "args": {}}
    talk: list[dict[str, Any]] = [
        {"role": "user", "text": "x"},
        {"role": "assistant", "text": "", "calls": [call]},
        result_of(call, "y" * 9000),
        {"role": "assistant", "text": "well", "calls": []},
    ]
    part = {"strategy": "clear_tool_results", "from": 1, "to": 3, "undone": False}
    assert "9,000 characters" in str(shown(talk, [part])[2]["result"])
    assert estimate_tokens(shown(talk, [part])) < estimate_tokens(talk) / 10
