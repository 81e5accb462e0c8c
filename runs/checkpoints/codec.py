"""Bytes of stored values: compact JSON, compressed where that pays.

JSON only, never pickle (DESIGN 10). The number of the codec stands beside the bytes in the row.
"""

import threading
from enum import IntEnum
from typing import Any, NamedTuple

import orjson
import zstandard

from agentops.common.errors import TooLargeError
from agentops.common.types import JsonValue

MIN_COMPRESSED_BYTES = 200
MAX_DECODED_BYTES = 64 << 20


class Codec(IntEnum):
    JSON = 0
    ZSTD = 1
    BLOB = 2


class Encoded(NamedTuple):
    """A stored value: its codec, its bytes, how long the plain JSON was, and the blob that the bytes refer to."""

    codec: int
    body: bytes
    plain_bytes: int
    blob: "Encoded | None" = None


class _Local(threading.local):
    """Zstandard's objects must not be shared between threads."""

    def __init__(self) -> None:
        self.compressor = zstandard.ZstdCompressor(level=3)
        self.decompressor = zstandard.ZstdDecompressor()


_local = _Local()


def encode(value: JsonValue) -> Encoded:
    """Return `value` (clean JSON) as stored bytes."""
    plain = orjson.dumps(value)
    if len(plain) < MIN_COMPRESSED_BYTES:
        return Encoded(Codec.JSON, plain, len(plain))
    return Encoded(Codec.ZSTD, _local.compressor.compress(plain), len(plain))


def encode_capped(value: JsonValue, *, max_bytes: int, what: str) -> Encoded:
    """Return `value` as stored bytes.

    Raises: TooLargeError naming `what`, its size and the limit, when its JSON is longer than `max_bytes`.
    """
    encoded = encode(value)
    if encoded.plain_bytes > max_bytes:
        raise TooLargeError(
            f"{what} is {encoded.plain_bytes:,} bytes of JSON; the limit is {max_bytes:,}. "
            "Keep large data outside and pass a reference to it",
            size_bytes=encoded.plain_bytes,
            limit_bytes=max_bytes,
        )
    return encoded


def decode(codec: int, body: bytes | memoryview) -> Any:
    """Return the value that `encode` stored.

    Raises: ValueError for an unknown codec, for bytes that are not what the codec says, and for a frame that
        would grow beyond MAX_DECODED_BYTES (the size that a frame declares is not trusted unchecked).
    """
    return orjson.loads(plain(codec, body))


def plain(codec: int, body: bytes | memoryview) -> bytes:
    """Return the JSON text of a stored value.

    Raises: ValueError, as `decode` does.
    """
    data = bytes(body)
    if codec == Codec.ZSTD:
        return _decompress(data)
    if codec != Codec.JSON:
        raise ValueError(f"unknown codec {codec}")
    return data


def _decompress(data: bytes) -> bytes:
    try:
        size = zstandard.get_frame_parameters(data).content_size
        if size > MAX_DECODED_BYTES:
            raise ValueError(f"the frame declares {size:,} bytes")
        return _local.decompressor.decompress(data, max_output_size=MAX_DECODED_BYTES)
    except zstandard.ZstdError as error:
        raise ValueError(f"damaged frame: {error}") from error
