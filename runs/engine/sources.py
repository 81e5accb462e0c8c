"""Where events come from, how their names, keys and the input of runs are read out of them (pure)."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any
from uuid import UUID

from agentops.common.types import JsonValue
from runs.engine.errors import UpdateError
from runs.engine.updates import resolve

POINTER = "$"


class SourceKind(StrEnum):
    """`webhook` and `github` are called by others; the rest are looked at by a worker."""

    WEBHOOK = "webhook"
    GITHUB = "github"
    REDIS = "redis"
    FOLDER = "folder"
    SQL = "sql"
    IMAP = "imap"
    RUNS = "runs"

    @property
    def is_called(self) -> bool:
        return self in (SourceKind.WEBHOOK, SourceKind.GITHUB)

    def label(self, slug: str) -> str:
        """Return what stands as the source of its events."""
        return f"hook:{slug}" if self.is_called else f"source:{slug}"


def start_key(trigger_id: UUID, event_id: UUID) -> str:
    """Return the idempotency key of the run that an event starts by a trigger."""
    return f"trigger:{trigger_id}:{event_id}"


def event_of(idempotency_key: str) -> UUID | None:
    """Return the event that started a run, of the run's idempotency key; None when none did."""
    kind, _, rest = idempotency_key.partition(":")
    try:
        return UUID(rest.partition(":")[2]) if kind == "trigger" else None
    except ValueError:  # somebody's own key that looks like ours
        return None


def value_at(document: Any, pointer: str) -> Any:
    """Return the value at an RFC 6901 pointer; None where there is none."""
    try:
        return resolve(document, pointer)
    except (UpdateError, KeyError, IndexError, TypeError, ValueError):
        return None


def key_at(document: Any, pointer: str) -> str:
    """Return the text or number at the pointer as the key of an event; empty where there is none."""
    value = value_at(document, pointer) if pointer else None
    return str(value)[:200] if isinstance(value, str | int) and not isinstance(value, bool) else ""


def filled(template: JsonValue, event: Mapping[str, Any]) -> JsonValue:
    """Return the input that a template makes of an event.

    `{"$": "/payload/url"}` anywhere in the template is replaced by what stands there in the event (`name`, `key`, `payload`,
    `id`, `source`, `received_at`), or null; everything else stays.
    """
    if isinstance(template, dict):
        pointer = template.get(POINTER)
        if len(template) == 1 and isinstance(pointer, str):
            found: JsonValue = value_at(event, pointer)
            return found
        return {key: filled(value, event) for key, value in template.items()}
    if isinstance(template, list):
        return [filled(item, event) for item in template]
    return template


def bad_pointers(template: JsonValue, place: str = "") -> list[str]:
    """Return where the template names what is no pointer."""
    if isinstance(template, dict):
        pointer = template.get(POINTER)
        if len(template) == 1 and pointer is not None:
            return (
                []
                if isinstance(pointer, str) and (not pointer or pointer.startswith("/"))
                else [f"{place}/{POINTER}"]
            )
        return [bad for key, value in template.items() for bad in bad_pointers(value, f"{place}/{key}")]
    if isinstance(template, list):
        return [bad for n, item in enumerate(template) for bad in bad_pointers(item, f"{place}/{n}")]
    return []
