"""Write into the audit what is being done."""

from collections.abc import Iterable
from typing import Any, Protocol
from uuid import UUID

import orjson
from django.db import connection

from agentops.audit.chain import NO_TEAM
from agentops.audit.models import Entry
from agentops.common.canonical import clean_json
from agentops.common.ids import new_id
from agentops.common.transactions import transaction_required
from agentops.common.types import JsonValue

MAX_ACTOR_CHARACTERS = 200
MAX_SUBJECT_CHARACTERS = 200
MAX_TEXT_CHARACTERS = 2000


class Acting(Protocol):
    """Who does it: an Actor is one."""

    @property
    def team_id(self) -> UUID: ...
    @property
    def user_id(self) -> int | None: ...
    @property
    def name(self) -> str: ...
    @property
    def token_id(self) -> UUID | None: ...


@transaction_required
def record(*, actor: Acting, action: str, subject: str, detail: JsonValue = None) -> None:
    """Add an entry in the transaction that does what it tells of: both happen, or neither.

    No lock is taken, so that the place of the call in a transaction does not matter.

    Args:
        actor: who does it, in which team.
        action: what, as `kind.verb`: `run.kill`, `token.create`.
        subject: to what, as `kind:id`.
        detail: an object of particulars, as plain JSON; never a secret. Long texts in it are cut.
    """
    row = _entry(actor.team_id, actor.name, action, subject, detail)
    row.user_id, row.token_id = actor.user_id, actor.token_id
    row.save(force_insert=True)


@transaction_required
def record_of_product(
    *, team_id: UUID | None, by: str, action: str, subject: str, detail: JsonValue = None
) -> None:
    """Add an entry for what nobody with an account did: the clock, a stranger at the door (see record)."""
    _entry(team_id or NO_TEAM, by, action, subject, detail).save(force_insert=True)


@transaction_required
def record_many_of_product(*, by: str, done: Iterable[tuple[UUID, str, str, JsonValue]]) -> None:
    """Add an entry for each `(team_id, action, subject, detail)`, by one statement (see record_of_product)."""
    entries = [
        {"id": new_id(), "chain_id": chain_id, **_fields(by, action, subject, detail)}
        for chain_id, action, subject, detail in done
    ]
    if entries:
        with connection.cursor() as cursor:
            cursor.execute(_INSERT, [orjson.dumps(entries).decode()])


_INSERT = """
INSERT INTO audit_entry (id, chain_id, actor, action, subject_kind, subject_id, detail)
SELECT id, chain_id, actor, action, subject_kind, subject_id, detail FROM jsonb_to_recordset(%s::jsonb)
    AS e (id uuid, chain_id uuid, actor text, action text, subject_kind text, subject_id text, detail jsonb)
"""


def _entry(chain_id: UUID, by: str, action: str, subject: str, detail: JsonValue) -> Entry:
    return Entry(chain_id=chain_id, **_fields(by, action, subject, detail))


def _fields(by: str, action: str, subject: str, detail: JsonValue) -> dict[str, Any]:
    kind, _, subject_id = str(clean_json(subject)).partition(":")
    return {
        "actor": str(clean_json(by))[:MAX_ACTOR_CHARACTERS], "action": action, "subject_kind": kind,
        "subject_id": subject_id[:MAX_SUBJECT_CHARACTERS], "detail": _cut(clean_json(detail)) or {},
    }  # fmt: skip


def _cut(value: JsonValue) -> JsonValue:
    match value:
        case str():
            return value if len(value) <= MAX_TEXT_CHARACTERS else value[:MAX_TEXT_CHARACTERS] + "…"
        case dict():
            return {key: _cut(item) for key, item in value.items()}
        case list():
            return [_cut(item) for item in value]
        case _:
            return value
