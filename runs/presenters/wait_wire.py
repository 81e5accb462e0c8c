"""Events and waits as the API tells them."""

from typing import cast

from runs.models import Event, Wait
from runs.schemas_waits import EventOut, WaitKind, WaitOut


def wait_out(wait: Wait) -> WaitOut:
    """Return one wait."""
    return WaitOut(
        seq=wait.seq, n=wait.n, kind=cast("WaitKind", wait.kind), mode="all" if wait.is_all else "first", name=wait.name, key=wait.key,
        match=wait.match, child_id=wait.child_id, question=wait.details, since_at=wait.since_at, timeout_at=wait.timeout_at,
        closed_as=wait.closed_as, closed_by=wait.closed_by, closed_at=wait.closed_at, reply=wait.reply,
    )  # fmt: skip


def event_out(event: Event) -> EventOut:
    """Return one event."""
    return EventOut(
        id=event.id, name=event.name, key=event.key, payload=event.payload, source=event.source,
        delivery_id=event.delivery_id, received_at=event.received_at, matched_at=event.matched_at,
    )  # fmt: skip
