"""Durations, sizes, the time axis, changes and forms: the words and shapes on the pages."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from runs.presenters import json_tree, text, times
from runs.presenters.changes import change_lines
from runs.presenters.json_tree import Limits, tokens
from runs.presenters.schema_form import blank_form
from runs.presenters.timeline import Axis, minimap
from runs.selectors.console.overview import Gap

BEGIN = datetime(2026, 11, 21, 8, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return BEGIN + timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (None, "–"), (0, "0 ms"), (0.2504, "250 ms"), (0.9996, "1.0 s"), (4.08, "4.1 s"), (9.96, "10 s"), (59.94, "60 s"),
        (60, "1 m 00 s"), (842, "14 m 02 s"), (3600, "1 h 00 m"), (7560, "2 h 06 m"), (172_799, "47 h 59 m"), (172_800, "2 d 0 h"),
    ],
)  # fmt: skip
def test_durations(seconds: float | None, told: str) -> None:
    assert times.duration(seconds) == told


@pytest.mark.parametrize(
    ("seconds", "told"), [(0.4, "0 s"), (89, "89 s"), (120, "2 min"), (5400, "2 h"), (200_000, "2 d")]
)
def test_ages(seconds: float, told: str) -> None:
    assert times.age(seconds) == told


def test_sizes_and_money() -> None:
    assert [text.size(n) for n in (999, 1200, 31_400, 2_500_000)] == ["999 B", "1.2 KB", "31 KB", "2.5 MB"]
    assert [text.money(n) for n in (0, 1_490_000, 620, 12_000_000_000)] == [
        "$0.00",
        "$1.49",
        "$0.00062",
        "$12,000.00",
    ]


def test_without_idle_time_the_axis_is_proportional() -> None:
    axis = Axis(at(0), at(100))
    assert (axis.place(at(25), at(50)).x, axis.place(at(25), at(50)).width) == (25.0, 25.0)


def test_a_long_idle_time_takes_little_room() -> None:
    axis = Axis(at(0), at(100_000), [Gap(3, "gap", at(60), at(99_940))])
    before, after = axis.place(at(0), at(60)), axis.place(at(99_940), at(100_000))
    assert before.width == after.width
    assert 45 < before.width < 50
    assert after.x - before.width == pytest.approx(100 - 2 * before.width, abs=0.02)


def test_a_short_pause_is_not_folded() -> None:
    assert Axis(at(0), at(100), [Gap(3, "gap", at(50), at(54))]).folds == []


def test_many_small_gaps_together_do_not_eat_the_axis() -> None:
    gaps = [Gap(n, "gap", at(3600 * n + 1), at(3600 * (n + 1))) for n in range(168)]
    axis = Axis(at(0), at(3600 * 168), gaps)
    drawn = sum(fold.drawn_end - fold.drawn_start for fold in axis.folds)
    assert len(axis.folds) == 168
    assert drawn <= 0.21 * axis.length


def test_bars_are_never_too_thin_nor_off_the_axis() -> None:
    axis = Axis(at(0), at(10_000))
    last = axis.place(at(10_000), at(10_000))
    assert last.width >= 0.7
    assert last.x + last.width <= 100.001


def test_a_growing_axis_seldom_changes_its_length() -> None:
    lengths = {Axis(at(0), at(seconds), is_growing=True).length for seconds in range(100, 1000)}
    assert len(lengths) <= 8
    assert all(Axis(at(0), at(s), is_growing=True).length >= s for s in range(1, 5000, 7))


def test_a_growing_axis_with_folds_seldom_changes_its_shape() -> None:
    gaps = [Gap(1, "gap", at(50), at(5000))]
    shapes = {Axis(at(0), at(5000 + seconds), gaps, is_growing=True).signature for seconds in range(50, 500)}
    assert len(shapes) <= 8


def test_times_of_buckets_go_there_and_back() -> None:
    axis = Axis(
        at(0), at(50_000), [Gap(1, "gap", at(100), at(49_000)), Gap(2, "wait", at(49_500), at(49_900))]
    )
    bounds = axis.bounds(100)
    assert bounds == sorted(bounds)
    for index, bound in enumerate(bounds):
        assert axis.place(bound, bound).x == pytest.approx(min(index, 99.3), abs=0.02)


def test_the_minimap_keeps_failures_in_sight() -> None:
    drawn = minimap(Axis(at(0), at(100)), [(1, 1000, 0), (50, 10, 1)], 100)
    assert [bar.height for bar in drawn.bars] == [28, 2.0]
    assert drawn.bars[1].bad > 0


def lines(delta: list[Any], before: Any) -> list[str]:
    return [f"{line.sign} {line.text}" for line in change_lines(delta, before)]


def test_a_set_shows_what_was_there_before() -> None:
    assert lines([["set", "/a/b", 2]], {"a": {"b": 1}}) == ["h /a", 'd "b": 1', 'a "b": 2']
    assert lines([["set", "/b", "new"]], {}) == ["h /", 'a "b": "new"']


def test_a_set_of_an_object_shows_only_the_keys_that_differ() -> None:
    before = {"o": {"same": 1, "old": 2, "x": True}}
    assert lines([["set", "/o", {"same": 1, "x": 1, "new": 3}]], before) == [
        "h /o", 'd "x": true', 'a "x": 1', 'a "new": 3', 'd "old": 2',
    ]  # fmt: skip


def test_a_list_that_only_grew_shows_what_was_added() -> None:
    assert lines([["set", "/l", [1, 2, 3]]], {"l": [1]}) == ["h /l · 2 added", "a 2", "a 3"]
    many = lines([["append", "/l", list(range(20))]], {"l": []})
    assert many[-1] == "more … 14 more"


def test_what_is_removed_is_shown_from_the_state_before() -> None:
    assert lines([["remove", "/l/0", None], ["remove", "/k", None]], {"l": ["x"], "k": 1}) == [
        "h /l", 'd "x"', "h /", 'd "k": 1',
    ]  # fmt: skip


def test_without_the_state_before_additions_are_shown_still() -> None:
    assert lines([["set", "/a", 1], ["remove", "/b", None]], None) == ["h /", 'a "a": 1', "d b removed"]


def test_long_changes_end_with_how_many_there_are_more() -> None:
    told = lines([["merge", "", {str(n): n for n in range(100)}]], {})
    assert len(told) == 61
    assert told[-1] == "more … 41 more lines"


def test_a_large_value_is_cut_to_the_budget_and_every_part_can_be_fetched() -> None:
    value = {"rows": [{"n": n} for n in range(1000)], "text": "x" * 5000}
    found = list(tokens(value, Limits(50, 300)))
    assert len(found) <= 60
    lazy = next(token for token in found if token.kind == "lazy")
    assert len(json_tree.at(value, lazy.pointer)) == 1000
    cut = next(token for token in found if token.kind == "cut")
    assert json_tree.at(value, cut.pointer) == "x" * 5000


def test_keys_with_slashes_can_be_fetched() -> None:
    value: Any = {"a/b~c": {str(n): {} for n in range(200)}}
    lazy = next(token for token in tokens(value, Limits(0, 10)) if token.kind in ("lazy", "more"))
    assert json_tree.at(value, lazy.pointer)


@pytest.mark.parametrize(
    ("schema", "kind"),
    [
        ({"type": "string"}, "text"), ({"type": "string", "maxLength": 5000}, "long"), ({"type": ["integer", "null"]}, "integer"),
        ({"type": "number"}, "number"), ({"type": "boolean"}, "boolean"), ({"enum": [1, "a"]}, "choice"),
        ({"type": "array", "items": {"type": "string"}}, "lines"), ({"type": "array", "items": {"type": "object"}}, "json"),
        ({"type": "object"}, "json"), ({"anyOf": [{"type": "string"}, {"type": "integer"}]}, "json"), (True, "json"),
    ],
)  # fmt: skip
def test_controls_for_schemas(schema: Any, kind: str) -> None:
    assert [field.kind for field in blank_form({"properties": {"x": schema}})] == [kind]


@pytest.mark.parametrize("value", ["# A report\n\nOf two lines.", "a\rb", "x" * 201])
def test_a_text_that_a_control_of_one_line_would_change_gets_a_larger_one(value: str) -> None:
    [field] = blank_form({"properties": {"markdown": {"type": "string"}}}, {"markdown": value})
    assert (field.kind, field.value) == ("long", value)
