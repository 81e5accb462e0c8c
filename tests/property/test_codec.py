"""Stored bytes: what goes in comes out, and what is no such thing is refused."""

from typing import Any

import orjson
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from agentops.common.canonical import canonical_bytes, clean_json
from agentops.common.errors import TooLargeError
from runs.checkpoints.codec import (
    MAX_DECODED_BYTES,
    MIN_COMPRESSED_BYTES,
    Codec,
    decode,
    encode,
    encode_capped,
)
from tests.property.values import dirty_text, json_values

long_values = json_values().map(lambda value: [value] * 50)


@given(st.one_of(json_values(), long_values))
def test_a_value_comes_back_as_it_was(value: Any) -> None:
    encoded = encode(value)
    assert canonical_bytes(decode(encoded.codec, encoded.body)) == canonical_bytes(value)
    assert canonical_bytes(decode(encoded.codec, memoryview(encoded.body))) == canonical_bytes(value)
    assert encoded.plain_bytes == len(orjson.dumps(value))
    assert encoded.codec == (Codec.ZSTD if encoded.plain_bytes >= MIN_COMPRESSED_BYTES else Codec.JSON)


@given(json_values(dirty_text))
def test_whatever_was_cleaned_can_be_stored(value: Any) -> None:
    cleaned = clean_json(value)
    assert decode(*encode(cleaned)[:2]) == cleaned


@given(st.sampled_from([*Codec, 7]), st.binary(max_size=60))
def test_bytes_that_are_no_value_are_a_value_error(codec: int, body: bytes) -> None:
    try:
        value = decode(codec, body)
    except ValueError:
        return
    assert codec == Codec.JSON
    assert decode(*encode(value)[:2]) == value


@given(long_values, st.data())
def test_a_frame_that_was_cut_is_refused(value: Any, data: st.DataObject) -> None:
    frame = zstandard.ZstdCompressor().compress(orjson.dumps(value))
    with pytest.raises(ValueError, match=r".+"):
        decode(Codec.ZSTD, frame[: data.draw(st.integers(0, len(frame) - 1))])


@pytest.mark.parametrize("is_declared", [True, False])
def test_a_decompression_bomb_is_refused(is_declared: bool) -> None:
    compressor = zstandard.ZstdCompressor(write_content_size=is_declared)
    bomb = compressor.compress(bytes(MAX_DECODED_BYTES + 1))
    assert len(bomb) < 20_000
    with pytest.raises(ValueError, match="the frame declares"):
        decode(Codec.ZSTD, bomb)


@given(st.text(max_size=300), st.integers(1, 400))
def test_a_value_over_its_limit_is_named_with_its_size(text: str, max_bytes: int) -> None:
    size = len(orjson.dumps(text))
    if size <= max_bytes:
        assert encode_capped(text, max_bytes=max_bytes, what="the input") == encode(text)
        return
    with pytest.raises(
        TooLargeError, match=f"the input is {size:,} bytes of JSON; the limit is {max_bytes:,}"
    ) as caught:
        encode_capped(text, max_bytes=max_bytes, what="the input")
    assert caught.value.data == {"size_bytes": size, "limit_bytes": max_bytes}
