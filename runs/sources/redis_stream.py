"""Entries of a Redis stream, in the order of their ids."""

from collections.abc import Iterator
from typing import Any

import orjson
import redis

from agentops.common.types import JsonObject, JsonValue
from runs.sources.port import NETWORK_TIMEOUT_SECONDS, Batch, Found, Place, Reading, SourceError

BATCH = 100
BEGINNING = "0-0"


def read_redis_stream(place: Place) -> Reading:
    """Yield the entries after the position, which is the id of the last one.

    A field `payload` that holds a JSON object is the payload; otherwise all fields are, as text. A field `type` is the name.
    The stream is only read: no consumer group is made, nothing is removed.

    Raises: SourceError
    """
    try:
        with _client(place) as client:
            yield from _entries(client, place)
    except redis.AuthenticationError as error:
        raise SourceError(
            f"Redis refuses the password; give the source another one under “New secret…” ({error})"
        ) from error
    except redis.ResponseError as error:
        raise SourceError(
            f"Redis refuses to read {place.text('stream')!r}; is it a stream, and may this user read it? ({error})"
        ) from error
    except (redis.RedisError, OSError, ValueError) as error:
        raise SourceError(
            f"Redis does not answer; check the address, and whether it runs ({error})"
        ) from error


def _client(place: Place) -> redis.Redis:
    return redis.Redis.from_url(
        place.text("url"), **({"password": place.secret} if place.secret else {}),
        socket_timeout=NETWORK_TIMEOUT_SECONDS, socket_connect_timeout=NETWORK_TIMEOUT_SECONDS,
    )  # fmt: skip


def _entries(client: redis.Redis, place: Place) -> Iterator[Batch]:
    stream, last = place.text("stream"), place.position
    if not isinstance(last, str):
        newest: Any = [] if place.settings["from_start"] else client.xrevrange(stream, count=1)
        last = newest[0][0].decode() if newest else BEGINNING
        yield Batch((), last)
    while True:
        rows: Any = client.xrange(stream, min=f"({last}", count=BATCH)
        if not rows:
            return
        last = rows[-1][0].decode()
        yield Batch([_found(entry_id.decode(), fields) for entry_id, fields in rows], last)


def _found(entry_id: str, fields: dict[bytes, bytes]) -> Found:
    told: JsonObject = {_text(name): _text(value) for name, value in fields.items()}
    return Found(entry_id, str(told.get("type") or "entry"), _object(fields.get(b"payload")) or told)


def _object(text: bytes | None) -> JsonValue:
    try:
        value: JsonValue = orjson.loads(text or b"")
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def _text(value: bytes) -> str:
    return value.decode("utf-8", "replace")
