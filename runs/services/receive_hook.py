"""Take in a call of a webhook: who may call is told by the signature over the very bytes alone."""

import hmac
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db.models import F
from django.db.models.functions import Now

from agentops.accounts.roles import Actor, Scope
from agentops.common.errors import BadRequestError, NotAuthenticatedError, NotFoundError
from agentops.common.standard_webhooks import is_signed
from runs.engine.sources import SourceKind, key_at
from runs.journal.fence import UNHURRIED, execute, is_alone
from runs.models import Event, Source
from runs.services.create_source import secret_of
from runs.services.publish_event import publish_event

TOLERANCE_SECONDS = 300
# The row is locked for a moment only: deliveries to one source would otherwise wait for the disk one after the other.
_COUNT = (
    "UPDATE runs_source SET n_events = n_events + 1, last_event_at = clock_timestamp() WHERE id = %(source_id)s"  # noqa: S608 -- constants
    f" RETURNING {UNHURRIED}"
)
_STANDARD = ("webhook-id", "webhook-timestamp", "webhook-signature")
_GITHUB = ("x-github-delivery", "x-github-event", "x-hub-signature-256")


def receive_hook(*, slug: str, headers: Mapping[str, str], body: bytes) -> tuple[Event, int, bool]:
    """Return the event, how many waits it ended, and whether it is new; a repeated delivery is not.

    `headers` has lower-case names. The event is called `<source>.<type>`, with the `type` of the body, or GitHub's
    event; its key stands where the source's `key_pointer` points.

    Raises: NotFoundError; NotAuthenticatedError for a signature that is missing, wrong, or of another time than the last
        five minutes; BadRequestError for what is signed and yet no JSON object.
    """
    found = Source.objects.filter(
        slug=slug, is_paused=False, kind__in=(SourceKind.WEBHOOK, SourceKind.GITHUB)
    )
    source = found.annotate(now_at=Now()).first()
    if source is None:
        raise NotFoundError(f"there is no webhook {slug!r} here, or it is paused")
    kind = SourceKind(source.kind)
    try:
        delivery_id, name = _checked(kind, headers, body, secret_of(source), source.now_at)
    except NotAuthenticatedError as error:
        Source.objects.filter(pk=source.pk).update(
            n_refused=F("n_refused") + 1, last_error=error.detail[:500], last_error_at=Now()
        )
        raise
    payload = _object(body)
    name = name or str(payload.get("type") or "received")
    event, matched, is_new = publish_event(
        actor=Actor(source.team_id, None, f"webhook {slug}", frozenset({Scope.RUN})),
        name=f"{slug}.{name}"[:200], key=key_at(payload, str(source.settings.get("key_pointer", ""))),
        payload=payload, delivery_id=delivery_id[:200], source=kind.label(slug),
    )  # fmt: skip
    if is_new:
        execute(_COUNT, {"source_id": source.pk, "is_alone": is_alone()})
    return event, matched, is_new


def _checked(
    kind: SourceKind, headers: Mapping[str, str], body: bytes, secret: bytes, now: datetime
) -> tuple[str, str]:
    """Return the delivery's id and the event's name, empty where the body has it.

    Raises: NotAuthenticatedError
    """
    needed = _GITHUB if kind is SourceKind.GITHUB else _STANDARD
    missing = [name for name in needed if not headers.get(name)]
    if missing:
        raise NotAuthenticatedError(f"the call is not signed: {', '.join(missing)} missing")
    if kind is SourceKind.GITHUB:
        expected = "sha256=" + hmac.digest(secret, body, "sha256").hex()
        if not hmac.compare_digest(headers["x-hub-signature-256"].encode(), expected.encode()):
            raise NotAuthenticatedError("the signature is not of this body under this secret")
        return headers["x-github-delivery"], headers["x-github-event"]
    _check_time(headers["webhook-timestamp"], now)
    if not is_signed(headers, body, secret):
        raise NotAuthenticatedError("the signature is not of this body under this secret")
    return headers["webhook-id"], ""


def _check_time(text: str, now: datetime) -> None:
    """Refuse a call that was signed more than five minutes ago, or ahead: it may be one that somebody kept."""
    seconds = int(text) if text.isascii() and text.isdecimal() and len(text) < 12 else None
    if seconds is None:
        raise NotAuthenticatedError("webhook-timestamp must be a number of seconds since 1970")
    if abs(now.timestamp() - seconds) > TOLERANCE_SECONDS:
        raise NotAuthenticatedError(
            "the call was signed more than five minutes ago, or ahead; send it again, newly signed"
        )


def _object(body: bytes) -> dict[str, Any]:
    try:
        payload = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise BadRequestError(f"the body is not JSON: {error}") from error
    if not isinstance(payload, dict):
        raise BadRequestError("the body must be a JSON object")
    return payload
