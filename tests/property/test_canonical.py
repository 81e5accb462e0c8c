"""What is stored: clean, the same bytes for the same value, and every replacement counted."""

import json
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentops.common.canonical import MAX_DEPTH, Cleaner, NotJsonError, canonical_bytes, clean_json, digest
from runs.engine.updates import split
from tests.property.values import clean_text, dirty_text, json_values


@given(json_values(), st.randoms(use_true_random=False))
def test_equal_values_have_equal_bytes(value: Any, random: Random) -> None:
    other = reordered(value, random)
    assert other == value
    assert canonical_bytes(other) == canonical_bytes(value)
    assert digest(other) == digest(value)


@given(json_values())
def test_the_bytes_say_the_whole_value(value: Any) -> None:
    assert json.loads(canonical_bytes(value)) == value


@given(json_values(), json_values())
def test_different_values_have_different_digests(left: Any, right: Any) -> None:
    assert (digest(left) == digest(right)) == (canonical_bytes(left) == canonical_bytes(right))
    assert left == right or digest(left) != digest(right)


@given(json_values())
def test_cleaning_leaves_a_clean_value_as_it_is(value: Any) -> None:
    cleaner = Cleaner()
    assert cleaner.clean(value) == value
    assert cleaner.replaced == 0


@given(json_values(dirty_text))
def test_cleaned_text_can_be_stored_and_cleaning_it_again_changes_nothing(value: Any) -> None:
    cleaned, again = clean_json(value), Cleaner()
    assert b"\\u0000" not in json.dumps(cleaned).encode()
    assert again.clean(cleaned) == cleaned
    assert again.replaced == 0
    canonical_bytes(cleaned)


@given(dirty_text)
def test_each_character_that_had_to_be_replaced_is_counted(text: str) -> None:
    cleaner = Cleaner()
    cleaned = str(cleaner.clean(text))
    expected, n_replaced = replaced(text)
    assert (cleaned, cleaner.replaced) == (expected, n_replaced)


@given(st.recursive(st.just({1, 2}), lambda inner: st.one_of(
    st.lists(inner, min_size=1, max_size=1), st.dictionaries(clean_text, inner, min_size=1, max_size=1)
)))  # fmt: skip
def test_what_is_no_json_is_named_by_its_pointer(value: Any) -> None:
    with pytest.raises(NotJsonError) as caught:
        clean_json(value)
    for part in split(caught.value.pointer):
        value = value[int(part)] if isinstance(value, list) else value[part]
    assert value == {1, 2}


@given(st.lists(st.sampled_from([list, dict]), max_size=2 * MAX_DEPTH))
def test_nesting_has_a_limit(kinds: list[type]) -> None:
    value: Any = 1
    for kind in kinds:
        value = [value] if kind is list else {"k": value}
    if len(kinds) <= MAX_DEPTH:
        assert clean_json(value) == value
    else:
        with pytest.raises(NotJsonError, match="nested deeper than 200 levels"):
            clean_json(value)


def reordered(value: Any, random: Random) -> Any:
    if isinstance(value, list):
        return [reordered(item, random) for item in value]
    if not isinstance(value, dict):
        return value
    items = [(key, reordered(item, random)) for key, item in value.items()]
    random.shuffle(items)
    return dict(items)


def replaced(text: str) -> tuple[str, int]:
    """Clean a text by its definition, character by character: the slow way, to compare with."""
    out, n = "", 0
    while text:
        here, following = text[0], text[1:2]
        if "\ud800" <= here <= "\udbff" and "\udc00" <= following <= "\udfff":
            out += chr(0x10000 + ((ord(here) - 0xD800) << 10) + (ord(following) - 0xDC00))
            text = text[1:]
        elif here == "\0" or "\ud800" <= here <= "\udfff":
            out, n = out + "\ufffd", n + 1
        else:
            out += here
        text = text[1:]
    return out, n
