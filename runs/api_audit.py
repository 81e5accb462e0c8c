"""The calls of the API about the audit."""

from datetime import datetime
from typing import Any
from uuid import UUID

from django.http import HttpRequest
from ninja import Query, Router
from pydantic import BaseModel, Field

from agentops.accounts.middleware import caller_of
from runs.presenters.audit import entry_members
from runs.schemas import PageIn
from runs.selectors.audit import audit_verdict_for, entries_for

router = Router(tags=["audit"])


class AuditFilters(PageIn):
    q: str = Field("", description="`actor:`, `action:`, `subject:`, `at:`; docs/how-to/read-the-audit.md.")


class EntryOut(BaseModel):
    """One thing that somebody did."""

    id: UUID
    at: datetime
    actor: str
    token_id: UUID | None = Field(description="The token through which they did it.")
    action: str = Field(description="Such as `run.kill`.")
    subject: str = Field(description="`kind:id`")
    detail: dict[str, Any]
    seq: int | None = Field(description="Its place in the chain; null for the moment until it is sealed.")
    seal: str | None = Field(
        description="HMAC-SHA-256 over the entry, its place and the seal before it, in hex."
    )


class EntryPageOut(BaseModel):
    items: list[EntryOut]
    next_cursor: str | None


class AuditVerdictOut(BaseModel):
    """What a check of the whole chain has found."""

    clean: bool
    entries: int
    unsealed: int
    failures: list[str]


@router.get("", response=EntryPageOut, operation_id="list_audit", summary="List what was done")
def index(request: HttpRequest, filters: Query[AuditFilters]) -> EntryPageOut:
    """List what people did in the team, newest first."""
    page = entries_for(caller_of(request), query=filters.q, cursor=filters.cursor, limit=filters.limit)
    return EntryPageOut(
        items=[EntryOut.model_validate(entry_members(entry)) for entry in page.items],
        next_cursor=page.next_cursor,
    )


@router.get("/verify", response=AuditVerdictOut, operation_id="verify_audit", summary="Check the audit")
def verify(request: HttpRequest) -> AuditVerdictOut:
    """Check every entry of the team against the chain now. Changes nothing."""
    found = audit_verdict_for(caller_of(request))
    return AuditVerdictOut(
        clean=found.is_clean, entries=found.n_entries, unsealed=found.n_unsealed, failures=found.failures
    )
