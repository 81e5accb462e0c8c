"""Server-sent events as a client reads them."""

import json
from typing import Any, NamedTuple


class Event(NamedTuple):
    id: str
    name: str
    data: Any


def events(body: bytes) -> list[Event]:
    """Return the events of a whole body; comments and `retry` are passed over."""
    return [event for block in body.decode().split("\n\n") if (event := event_of(block))]


def event_of(block: str) -> Event | None:
    fields = dict(line.split(": ", 1) for line in block.split("\n") if line and not line.startswith(":"))
    return Event(fields["id"], fields["event"], json.loads(fields["data"])) if "data" in fields else None
