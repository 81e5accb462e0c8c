"""What a run waits for: the tab, the answer of a person, messages, waking it and cancelling its wait."""

import json
from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from agentops.accounts.roles import Actor, Scope
from agentops.common.errors import AgentOpsError, ConflictError, InvalidInputError, TooLargeError
from runs.models import Run, Wait
from runs.presenters.waiting import answering_of, wait_line
from runs.selectors.runs import run_for
from runs.selectors.waits import untaken_signals_for, waits_for
from runs.services.answer_wait import answer_wait
from runs.services.send_signal import send_signal
from runs.services.wake_run import cancel_wait, wake_run
from runs.views.base import respond, room
from runs.views.run import head_context

_HEAD = {"run-head": "runs/_head.html"}


@room
def waits(request: HttpRequest, actor: Actor, run_id: UUID) -> HttpResponse:
    """What the run waits for now, what it waited for, and the messages that it has not asked for yet."""
    return _page(request, actor, run_for(actor, run_id))


@require_http_methods(["GET", "POST"])
@room
def answer(request: HttpRequest, actor: Actor, run_id: UUID, seq: int) -> HttpResponse:
    """POST records a person's answer to the step; GET shows the question."""
    run = run_for(actor, run_id)
    wait = next(
        (found for found in waits_for(actor, run_id) if found.seq == seq and not found.closed_as), None
    )
    if request.method == "GET" or wait is None:
        return _page(
            request,
            actor,
            run,
            stale=request.method == "POST",
            status=409 if request.method == "POST" else 200,
        )
    form = answering_of(wait, request.POST.dict())
    given = form.reply
    if given is None:
        return _page(request, actor, run, form=form, status=422)
    try:
        answer_wait(actor=actor, run_id=run_id, seq=seq, **given)
    except InvalidInputError as error:
        form.refuse(error)
        return _page(request, actor, run, form=form, status=422)
    except ConflictError as error:
        return _page(request, actor, run_for(actor, run_id), stale=True, refusal=error, status=409)
    return redirect("runs:waits", run_id)


@require_POST
@room
def message(request: HttpRequest, actor: Actor, run_id: UUID) -> HttpResponse:
    """Send the run a message."""
    run, typed = run_for(actor, run_id), request.POST
    try:
        payload = _payload(typed.get("payload", "").strip())
        send_signal(actor=actor, run_id=run_id, name=typed.get("name", "").strip(), payload=payload)
    except (InvalidInputError, TooLargeError) as error:
        return _page(request, actor, run, typed=typed, message_error=error.detail, status=422)
    except ConflictError as error:
        return _page(request, actor, run, typed=typed, message_error=error.detail, status=409)
    return redirect("runs:waits", run_id)


@require_POST
@room
def wake(request: HttpRequest, actor: Actor, run_id: UUID) -> HttpResponse:
    """End the run's sleep or wait now."""
    return _done(request, actor, run_id, wake_run)


@require_POST
@room
def cancel(request: HttpRequest, actor: Actor, run_id: UUID) -> HttpResponse:
    """Let what the run waits for fail."""
    return _done(request, actor, run_id, cancel_wait)


def _done(request: HttpRequest, actor: Actor, run_id: UUID, service: Callable[..., Run]) -> HttpResponse:
    try:
        service(actor=actor, run_id=run_id)
    except ConflictError as error:
        return _page(request, actor, run_for(actor, run_id), refusal=error, stale=True, status=409)
    return redirect("runs:waits", run_id)


def _payload(typed: str) -> Any:
    """Return the JSON, or the text when it is none: people write messages."""
    try:
        return json.loads(typed) if typed else None
    except (json.JSONDecodeError, RecursionError):
        if typed[:1] in "{[":
            raise InvalidInputError(_("This is not JSON. Mend it, or write plain text.")) from None
        return typed


def _page(
    request: HttpRequest,
    actor: Actor,
    run: Run,
    *,
    stale: bool = False,
    refusal: AgentOpsError | None = None,
    status: int = 200,
    **more: Any,
) -> HttpResponse:
    found = waits_for(actor, run.pk)
    still_open = [wait for wait in found if not wait.closed_as]
    context: dict[str, Any] = {
        "run": run, "tab": "waits", "open": [wait_line(wait) for wait in still_open],
        "past": [wait_line(wait) for wait in found if wait.closed_as], "signals": untaken_signals_for(actor, run.pk),
        "form": _form(still_open), "can_answer": actor.can(Scope.REVIEW), "is_stale": stale, "refusal": refusal,
    }  # fmt: skip
    return respond(
        request,
        "runs/waits.html",
        context | head_context(request, actor, run) | more,
        regions=_HEAD,
        status=status,
    )


def _form(still_open: list[Wait]) -> Any:
    asking = next((wait for wait in still_open if wait.kind == "person"), None)
    return answering_of(asking) if asking else None
