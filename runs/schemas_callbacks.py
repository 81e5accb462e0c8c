"""Shapes of the API's calls about callbacks."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import BaseModel, Field

from runs.engine.states import RunStatus


class CallbackAttemptOut(BaseModel):
    """One request of a callback."""

    number: int
    started_at: datetime
    ended_at: datetime | None = Field(description="Null while it is under way, or when its sender died.")
    http_status: int | None = Field(description="Null when no answer came; `error_code` then says why.")
    elapsed_ms: int | None
    error_code: str
    message: str
    answer: str = Field(description="The first 500 bytes of what the receiver answered.")


class CallbackOut(BaseModel):
    """The message that one end of a run is told by."""

    id: UUID = Field(description="Sent as `webhook-id`; the same at every attempt.")
    url: str
    run_status: RunStatus = Field(description="How the run had ended.")
    ended_at: datetime
    state: Literal["due", "sending", "delivered", "given_up"]
    next_attempt_at: datetime | None
    settled_at: datetime | None
    attempts: int
    log: list[CallbackAttemptOut] = Field(description="The newest attempts, newest first.")


class CallbackPageOut(BaseModel):
    items: list[CallbackOut]
    next_cursor: str | None


class CallbackSecretOut(BaseModel):
    """What is known of a signing secret, without the secret."""

    created_by: str = Field(description="Empty for the one that was made by itself at the first callback.")
    created_at: datetime
    expires_at: datetime | None = Field(
        description="Null for the current one; until then one before it signs along."
    )


class CallbackSecretsOut(BaseModel):
    items: list[CallbackSecretOut]


class NewCallbackSecretOut(CallbackSecretOut):
    secret: str = Field(description="Shown this once: `whsec_` and the key in base64.")
