"""Keys that runs are counted by, and limits that programs declare."""

from typing import Any

import pytest

from runs.engine.commands import Command, Finish
from runs.engine.context import Context
from runs.engine.errors import ProgramError
from runs.engine.limits import MAX_KEY_CHARACTERS, KeyPartError, counts_key, key_of, name_of_keys
from runs.engine.program import Program, node


@pytest.mark.parametrize(
    ("template", "given", "key"),
    [
        ("", {}, ""),
        ("warehouse", {}, "warehouse"),
        ("customer-{customer}", {"customer": "ACME"}, "customer-ACME"),
        ("{a.b}/{c}", {"a": {"b": 7}, "c": "x"}, "7/x"),
        ("{{{a}}}", {"a": 1}, "{1}"),
    ],
)
def test_a_key_is_made_of_text_and_parts_of_the_input(template: str, given: Any, key: str) -> None:
    assert key_of(template, given) == key


@pytest.mark.parametrize(
    "given", [{}, {"a": None}, {"a": {"b": None}}, {"a": [1]}, {"a": {"b": 1.5}}, {"a": {"b": True}}, 3]
)
def test_a_part_that_makes_no_key_is_named(given: Any) -> None:
    with pytest.raises(KeyPartError) as caught:
        key_of("x-{a.b}", given)
    assert caught.value.pointer.startswith("/a")


def test_long_keys_are_cut_and_stay_different() -> None:
    one, two = (key_of("at-{url}", {"url": "x" * 300 + end}) for end in "ab")
    assert len(one) == len(two) == MAX_KEY_CHARACTERS
    assert one != two
    assert one == key_of("at-{url}", {"url": "x" * 300 + "a"})


def test_a_star_stands_for_every_key_that_begins_so() -> None:
    assert [counts_key("site-*", key) for key in ("site-a", "site-", "sit", "")] == [True, True, False, False]
    assert [counts_key("site", key) for key in ("site", "site-a")] == [True, False]
    assert [name_of_keys(template) for template in ("site-{a}-{b}", "depot", "", "{a}")] == [
        "site-*",
        "depot",
        "",
        "*",
    ]


@pytest.mark.parametrize(
    ("members", "told"),
    [
        ({"queue": "a b"}, "needs a queue"),
        ({"concurrency_key": "{"}, "no template"),
        ({"concurrency_key": "{}"}, "must name a member"),
        ({"concurrency_key": "{a!r}"}, "must name a member"),
        ({"concurrency_key": "{a[0]}"}, "must name a member"),
        ({"max_running": 0}, "from 1"),
        ({"max_running": True}, "from 1"),
        ({"max_running_per_key": 1}, "must begin with text"),
        ({"max_running_per_key": 1, "concurrency_key": "{customer}"}, "must begin with text"),
    ],
)
def test_a_program_whose_limits_make_no_sense_is_refused_at_once(members: dict[str, Any], told: str) -> None:
    @node(start=True)
    def only(self: Any, ctx: Context, state: Any) -> Command:
        return Finish(output=None)

    with pytest.raises(ProgramError, match=told):
        type("Wrong", (Program,), {"name": "wrong", "only": only, **members})
