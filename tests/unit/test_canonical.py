"""Clean JSON: what passes, what is replaced, what is refused."""

import enum
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest

from agentops.common.canonical import Cleaner, NotJsonError, canonical_bytes, clean_json, digest
from agentops.common.types import JsonValue


class Colour(enum.StrEnum):
    RED = "red"


class Size(enum.IntEnum):
    SMALL = 1


class Mixed(str, enum.Enum):  # noqa: UP042 -- code of before Python 3.11, whose str() is not its value
    RED = "red"


class Metres(float):
    """As numpy's numbers are: a float with a name of its own."""


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (("a", 1), ["a", 1]),
        (Colour.RED, "red"),
        (Mixed.RED, "red"),
        (Size.SMALL, 1),
        (Metres(1.5), 1.5),
        ({Colour.RED: [Metres(2)]}, {"red": [2.0]}),
        (True, True),
    ],
)
def test_a_value_becomes_plain_json_that_can_be_stored(value: Any, plain: Any) -> None:
    cleaned = clean_json(value)
    assert cleaned == plain
    assert type(cleaned) is type(plain)
    assert orjson.loads(orjson.dumps(cleaned)) == plain


@pytest.mark.parametrize(
    ("value", "pointer", "words"),
    [
        ({"a": {1}}, "/a", "a value of type set is not JSON"),
        ([b"x"], "/0", "type bytes"),
        ({"at": datetime(2026, 1, 1, tzinfo=UTC)}, "/at", "type datetime"),
        (float("nan"), "", "the number nan is not finite at the top level"),
        ([[float("inf")]], "/0/0", "the number inf is not finite"),
        ({"n": 2**63}, "/n", "a whole number of more than 64 bits; send it as text"),
        ({"n": -(2**63) - 1}, "/n", "more than 64 bits"),
        ({"a": {1: "x"}}, "/a", "the key 1 is not text"),
        ({"a/b": {"~": {1}}}, "/a~1b/~0", "type set"),
    ],
)
def test_what_json_cannot_hold_is_refused_with_place_and_reason(value: Any, pointer: str, words: str) -> None:
    with pytest.raises(NotJsonError) as caught:
        clean_json(value)
    assert caught.value.pointer == pointer
    assert words in str(caught.value)


def test_a_pair_of_surrogates_is_the_character_that_it_means() -> None:
    cleaner = Cleaner()
    assert cleaner.clean("\ud83d\ude00") == "\U0001f600"
    assert cleaner.replaced == 0


def test_replacements_are_counted_over_keys_and_values() -> None:
    cleaner = Cleaner()
    assert cleaner.clean({"k\0": ["\ud800", "\ufffd", "ok"]}) == {"k\ufffd": ["\ufffd", "\ufffd", "ok"]}
    assert cleaner.replaced == 2


def test_canonical_bytes_are_sorted_tight_and_utf_8() -> None:
    assert canonical_bytes({"b": [1, 2.5, None], "a": "é"}) == '{"a":"é","b":[1,2.5,null]}'.encode()


def test_a_truth_value_is_no_number_and_a_text_is_no_list() -> None:
    values: list[JsonValue] = [True, 1, "1", [1], {"1": 1}, None, "null"]
    assert len({digest(value) for value in values}) == 7
