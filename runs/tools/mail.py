"""The tool `email.send`, through the mail server that the product itself sends by (`EMAIL_HOST`)."""

import hashlib
import os
import smtplib
from fnmatch import fnmatchcase
from typing import Annotated

from django.core.exceptions import ValidationError
from django.core.mail import EmailMessage, get_connection
from django.core.validators import validate_email
from pydantic import Field

from agentops.common.types import JsonObject
from runs.engine.errors import ToolError
from runs.engine.retry import RetryPolicy
from runs.engine.tools import Effect, ToolCall
from runs.tools.registry import tool

MAX_RECIPIENTS = 20
RETRY = RetryPolicy(max_attempts=4, first_seconds=1.0, max_seconds=300.0)

Line = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\r\n]*$")]


@tool("email.send", effect=Effect.WRITE, idempotent=False, timeout_seconds=30.0, retry=RETRY)
def email_send(
    call: ToolCall,
    to: Annotated[list[str], Field(min_length=1, max_length=MAX_RECIPIENTS)],
    subject: Line,
    text: Annotated[str, Field(min_length=1, max_length=100_000)],
) -> JsonObject:
    """Send one plain mail to all of these addresses. It cannot be taken back."""
    for address in to:
        _check(address)
    connection = get_connection(timeout=call.timeout_seconds)
    own = {"Message-ID": f"<{hashlib.sha256(call.idempotency_key.encode()).hexdigest()[:32]}@agentops>"}
    message = EmailMessage(subject=subject, body=text, to=to, headers=own, connection=connection)
    try:
        connection.open()
    except (OSError, smtplib.SMTPException) as error:
        raise ToolError(f"the mail server cannot be reached: {error}", code="email_connection") from error
    try:
        message.send()
    except (smtplib.SMTPResponseException, smtplib.SMTPRecipientsRefused) as error:
        code = getattr(error, "smtp_code", 500)
        raise ToolError(f"the mail server refuses it: {error}"[:500], code="email_refused", retryable=code < 500) from error  # fmt: skip
    except (OSError, smtplib.SMTPException) as error:
        told = f"the connection to the mail server broke: {error}"
        raise ToolError(told, code="email_connection", is_outcome_unknown=True) from error
    finally:
        connection.close()
    return {"to": [*to], "message_id": own["Message-ID"]}


def _check(address: str) -> None:
    """Raises: ToolError for what is no address, or none that `EMAIL_ALLOW` names."""
    try:
        validate_email(address)
    except ValidationError as error:
        raise ToolError(f"{address[:200]!r} is no mail address", code="email_address", retryable=False) from error  # fmt: skip
    allowed = [pattern.strip().lower() for pattern in os.environ.get("EMAIL_ALLOW", "").split(",")]
    patterns = [pattern for pattern in allowed if pattern]
    if patterns and not any(fnmatchcase(address.lower(), pattern) for pattern in patterns):
        raise ToolError(
            f"mails to {address} are not allowed; EMAIL_ALLOW names who may get them", code="email_refused", retryable=False
        )  # fmt: skip
