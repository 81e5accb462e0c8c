"""Callbacks in the shapes of the API, and in the words of the run's page."""

from dataclasses import dataclass
from datetime import datetime

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from runs import schemas_callbacks as schemas
from runs.engine.states import RunStatus
from runs.models import Callback, CallbackAttempt, CallbackSecret
from runs.presenters import text, times
from runs.presenters.status import RUN, Chip
from runs.selectors.callbacks import CallbackLog

STATES: dict[str, Chip] = {
    "due": Chip(gettext_lazy("Due"), "wait", "wait"),
    "sending": Chip(gettext_lazy("Sending"), "move", "moving"),
    "delivered": Chip(gettext_lazy("Delivered"), "good", "check"),
    "given_up": Chip(gettext_lazy("Given up"), "bad", "cross"),
}
AGAIN = Chip(gettext_lazy("Trying again"), "need", "retry")


@dataclass(frozen=True, slots=True)
class AttemptWords:
    """One attempt as a line of the log."""

    number: int
    at: datetime
    outcome: str
    tone: str
    took: str
    answer: str


@dataclass(frozen=True, slots=True)
class CallbackWords:
    """One callback with its log; `due_at` is when it is tried next."""

    callback: Callback
    chip: Chip
    ended_as: Chip
    due_at: datetime | None
    can_be_sent: bool
    attempts: list[AttemptWords]


def callback_words(log: CallbackLog) -> CallbackWords:
    one = log.callback
    chip = AGAIN if one.state == "due" and one.attempts > one.attempts_before else STATES[one.state]
    return CallbackWords(
        callback=one, chip=chip, ended_as=RUN[RunStatus(one.run_status)],
        due_at=one.due_at if one.state == "due" else None, can_be_sent=one.state != "sending",
        attempts=[_attempt_words(attempt, one) for attempt in log.attempts],
    )  # fmt: skip


def callback_out(log: CallbackLog) -> schemas.CallbackOut:
    one = log.callback
    return schemas.CallbackOut(
        id=one.id, url=one.url, run_status=RunStatus(one.run_status), ended_at=one.ended_at, state=one.state,  # type: ignore[arg-type]  # a constraint of the table
        next_attempt_at=one.due_at if one.state == "due" else None, settled_at=one.settled_at, attempts=one.attempts,
        log=[schemas.CallbackAttemptOut.model_validate(attempt, from_attributes=True) for attempt in log.attempts],
    )  # fmt: skip


def secret_out(secret: CallbackSecret) -> schemas.CallbackSecretOut:
    return schemas.CallbackSecretOut.model_validate(secret, from_attributes=True)


def new_secret_out(secret: CallbackSecret, told: str) -> schemas.NewCallbackSecretOut:
    return schemas.NewCallbackSecretOut(
        created_by=secret.created_by, created_at=secret.created_at, expires_at=None, secret=told
    )


def _attempt_words(attempt: CallbackAttempt, callback: Callback) -> AttemptWords:
    if attempt.ended_at is None:
        is_now = callback.state == "sending" and attempt.number == callback.attempts
        outcome = _("being sent") if is_now else _("nobody noted its answer; its sender died")
        return AttemptWords(attempt.number, attempt.started_at, outcome, "idle", "", "")
    took = times.duration(attempt.elapsed_ms / 1000) if attempt.elapsed_ms is not None else ""
    return AttemptWords(
        attempt.number,
        attempt.started_at,
        text.line(attempt.message, 300) or attempt.error_code,
        "bad" if attempt.error_code else "good",
        took,
        attempt.answer,
    )
