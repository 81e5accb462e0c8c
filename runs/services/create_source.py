"""Make a source of events."""

import re
import secrets
from typing import Any

from django.db.models.functions import Now

from agentops.accounts.roles import Actor, Scope
from agentops.audit.services.record import record
from agentops.common.errors import ConflictError
from agentops.common.sealing import seal, unseal
from agentops.common.standard_webhooks import key_of_text, secret_text
from agentops.common.transactions import transaction
from agentops.common.types import JsonObject
from runs.engine.sources import SourceKind
from runs.models import Source
from runs.selectors.sources import source_for
from runs.services.checks import misfit
from runs.services.source_settings import SECRETS, checked_settings

SECRET_BYTES = 32
MIN_SECRET_BYTES = 16
MAX_SECRET_CHARACTERS = 2000
_SLUG = re.compile(r"(?=.{3,60}\Z)[a-z0-9]+(-[a-z0-9]+)*")


def create_source(
    *, actor: Actor, slug: str, kind: str, settings: Any = None, secret: str = ""
) -> tuple[Source, str]:
    """Return the source and the secret in the form in which it is handed over; it cannot be read again later.

    Args:
        actor: whose team's; needs the scope `admin`.
        slug: its name, which stands in the address of a webhook and begins the names of its events.
        kind: a SourceKind.
        settings: what this kind needs; see source_settings.
        secret: the one that the other side gave; a new one is made for a webhook when it is left out. For `sql` it is
            the whole connection string, for `imap` and `redis` the password.

    Raises: NotAllowedError; InvalidInputError with pointers; ConflictError when the slug is taken.
    """
    actor.require(Scope.ADMIN)
    if not _SLUG.fullmatch(slug) or slug == "new":
        raise misfit(
            "/slug", 'must have 3 to 60 lower-case letters, digits and single hyphens, and not be "new"'
        )
    if kind not in set(SourceKind):
        raise misfit("/kind", f"must be one of {', '.join(SourceKind)}")
    found = SourceKind(kind)
    told: JsonObject = checked_settings(found, settings)
    source = Source(team_id=actor.team_id, slug=slug, kind=kind, settings=told, created_by=actor.name[:200])
    source.look_at = None if found.is_called else Now()
    text = put_secret(source, secret)
    with transaction():
        [stored] = Source.objects.bulk_create([source], ignore_conflicts=True)
        if not Source.objects.filter(pk=stored.pk).exists():
            raise ConflictError(f"the name {slug!r} is taken; choose another", slug=slug)
        record(actor=actor, action="source.create", subject=f"source:{slug}", detail={"kind": kind})
    return source_for(actor, slug), text


def put_secret(source: Source, given: str) -> str:
    """Seal the secret of the source, or a new one, into its row, unsaved; return it in the form that is handed over.

    Raises: InvalidInputError
    """
    kind = SourceKind(source.kind)
    takes = SECRETS[kind]
    if given and takes is None:
        raise misfit("/secret", f"a {kind.value} takes none")
    if not given and takes == "needed":
        raise misfit("/secret", f"is missing; a {kind.value} signs in with it")
    if len(given) > MAX_SECRET_CHARACTERS:
        raise misfit("/secret", f"must have at most {MAX_SECRET_CHARACTERS:,} characters")
    text = given or (_new_secret(kind) if takes == "made" else "")
    source.secret = seal(_key(kind, text), place=place_of(source)) if text else None
    return text


def place_of(source: Source) -> str:
    """Return what the source's secret is sealed for."""
    return f"source {source.team_id} {source.pk}"


def secret_of(source: Source) -> bytes:
    """Return the secret that calls of the source are signed with, or that it signs in with.

    Raises: ValueError when it does not open under this server's key.
    """
    return unseal(bytes(source.secret or b""), place=place_of(source))


def _new_secret(kind: SourceKind) -> str:
    return (
        secret_text(secrets.token_bytes(SECRET_BYTES))
        if kind is SourceKind.WEBHOOK
        else secrets.token_urlsafe(SECRET_BYTES)
    )


def _key(kind: SourceKind, text: str) -> bytes:
    if kind is not SourceKind.WEBHOOK:
        try:
            return text.encode()
        except UnicodeEncodeError:
            raise misfit("/secret", "holds characters that cannot be stored (lone surrogates)") from None
    try:
        key = key_of_text(text)
    except ValueError:
        raise misfit("/secret", "must be what the sender gave: whsec_ and base64") from None
    if len(key) < MIN_SECRET_BYTES:
        raise misfit("/secret", f"must hold at least {MIN_SECRET_BYTES} bytes")
    return key
