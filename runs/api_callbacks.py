"""The calls of the API about callbacks: what was told of a run's ends, sending it again, and the signing secret."""

from uuid import UUID

from django.http import HttpRequest
from ninja import Query, Router, Status

from agentops.accounts.middleware import caller_of
from runs import schemas_callbacks as schemas
from runs.presenters import callbacks as wire
from runs.schemas import PageIn
from runs.selectors.callbacks import callback_secrets_for, callbacks_for
from runs.services.renew_callback_secret import renew_callback_secret
from runs.services.send_callback_again import send_callback_again

router = Router(tags=["callbacks"])
secret_router = Router(tags=["callbacks"])


@router.get(
    "/{uuid:run_id}/callbacks",
    response=schemas.CallbackPageOut,
    operation_id="list_callbacks",
    summary="List what was told of a run's ends",
)
def callbacks(request: HttpRequest, run_id: UUID, filters: Query[PageIn]) -> schemas.CallbackPageOut:
    """List the callbacks of a run, the newest end first, with the log of their attempts."""
    page = callbacks_for(caller_of(request), run_id, cursor=filters.cursor, limit=filters.limit)
    items = [wire.callback_out(log) for log in page.items]
    return schemas.CallbackPageOut(items=items, next_cursor=page.next_cursor)


@router.post(
    "/{uuid:run_id}/callbacks/{uuid:callback_id}/send",
    response={202: schemas.CallbackOut},
    operation_id="send_callback_again",
    summary="Send a callback again",
)
def send_again(request: HttpRequest, run_id: UUID, callback_id: UUID) -> Status[schemas.CallbackOut]:
    """Send a callback again now, delivered or not, with the same message and id."""
    return Status(
        202,
        wire.callback_out(
            send_callback_again(actor=caller_of(request), run_id=run_id, callback_id=callback_id)
        ),
    )


@secret_router.get(
    "/secret",
    response=schemas.CallbackSecretsOut,
    operation_id="list_callback_secrets",
    summary="List the signing secrets of the team",
)
def secrets(request: HttpRequest) -> schemas.CallbackSecretsOut:
    """List when the team's signing secrets were made and until when they sign, newest first; never the secrets."""
    return schemas.CallbackSecretsOut(
        items=[wire.secret_out(secret) for secret in callback_secrets_for(caller_of(request))]
    )


@secret_router.post(
    "/secret",
    response={201: schemas.NewCallbackSecretOut},
    operation_id="renew_callback_secret",
    summary="Make a new signing secret",
)
def renew(request: HttpRequest) -> Status[schemas.NewCallbackSecretOut]:
    """Make a new signing secret and show it this once; the one before it signs along for 24 hours."""
    return Status(201, wire.new_secret_out(*renew_callback_secret(actor=caller_of(request))))
