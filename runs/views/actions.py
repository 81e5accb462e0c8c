"""What people do to runs: pause, resume, cancel, kill, retry, migrate, and tell whether a lost write happened."""

from collections.abc import Callable
from functools import partial
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from agentops.accounts.roles import Actor, Scope
from agentops.common.errors import ConflictError, InvalidInputError, NotFoundError
from runs.models import Run
from runs.presenters.unknown import ResolveForm, unknown_words
from runs.presenters.verbs import VERBS, history_of, is_possible, refusal_of
from runs.selectors.console.unknown import unknown_for
from runs.selectors.console.versions import versions_to_migrate_to
from runs.selectors.runs import run_for
from runs.services.cancel_run import cancel_run
from runs.services.kill_run import kill_run
from runs.services.migrate_run import migrate_run
from runs.services.pause_run import pause_run
from runs.services.resolve_step import resolve_step
from runs.services.resume_run import resume_run
from runs.services.retry_run import retry_run
from runs.views.base import respond, room
from runs.views.run import head_context

_SERVICES: dict[str, Callable[..., Run]] = {
    "pause": pause_run,
    "resume": resume_run,
    "cancel": cancel_run,
    "kill": kill_run,
    "retry": retry_run,
    "migrate": migrate_run,
}
_HEAD = {"run-head": "runs/_head.html"}


@require_http_methods(["GET", "POST"])
@room
def act(request: HttpRequest, actor: Actor, run_id: UUID, verb: str) -> HttpResponse:
    """GET asks, POST does it, however often it is sent; what is not possible any more says what is."""
    actor.require(Scope.RUN)
    run = run_for(actor, run_id)
    if request.method == "GET":
        refusal = None if is_possible(run, VERBS[verb]) else refusal_of(run, VERBS[verb])
        return _ask(request, actor, run, verb, refusal=refusal)
    typed = request.POST.get("word", "").strip().lower()
    if typed != VERBS[verb].word:
        told = _("Type %(word)s to confirm.") % {"word": VERBS[verb].word}
        return _ask(request, actor, run, verb, errors={"word": told}, status=422)
    return _done(request, actor, run, verb)


def _done(request: HttpRequest, actor: Actor, run: Run, verb: str) -> HttpResponse:
    service = _SERVICES[verb]
    if verb == "migrate":
        number = request.POST.get("version", "")
        service = partial(service, version=int(number) if number.isdecimal() and len(number) < 9 else None)
    try:
        service(actor=actor, run_id=run.pk, reason=request.POST.get("reason", "").strip())
    except ConflictError as error:
        now = run_for(actor, run.pk)
        return _ask(request, actor, now, verb, refusal=refusal_of(now, VERBS[verb], error), status=409)
    except (InvalidInputError, NotFoundError) as error:
        return _ask(request, actor, run, verb, errors={"version": error.detail}, status=422)
    return redirect("runs:run", run.pk)


def _ask(
    request: HttpRequest, actor: Actor, run: Run, verb: str, *, status: int = 200, **more: Any
) -> HttpResponse:
    context = {"run": run, "tab": "", "verb": VERBS[verb], "typed": request.POST, **more}
    context |= head_context(request, actor, run)
    if verb == "migrate":
        context["versions"] = versions_to_migrate_to(actor, run)
    return respond(request, "runs/act.html", context, regions=_HEAD, status=status)


@require_http_methods(["GET", "POST"])
@room
def resolve(request: HttpRequest, actor: Actor, run_id: UUID, seq: int) -> HttpResponse:
    """GET asks whether the write at `seq` happened, POST records the answer."""
    actor.require(Scope.RUN)
    run = run_for(actor, run_id)
    if request.method == "GET":
        return _asked(request, actor, run, seq)
    form = _filled(request)
    answer = form.answer()
    if answer is None:
        return _asked(request, actor, run, seq, form=form, status=422)
    try:
        resolve_step(actor=actor, run_id=run_id, seq=seq, **answer)
    except InvalidInputError as error:
        form.refuse(error)
        return _asked(request, actor, run, seq, form=form, status=422)
    except ConflictError:
        return _asked(request, actor, run_for(actor, run_id), seq, status=409)
    return redirect("runs:run", run_id)


def _filled(request: HttpRequest) -> ResolveForm:
    """Return the form as it was posted; a version that is no number is that of nobody's run."""
    version = request.POST.get("version", "")
    number = int(version) if version.isdecimal() and len(version) < 18 else -1
    outcome, output, reason = (request.POST.get(name, "").strip() for name in ("outcome", "output", "reason"))
    return ResolveForm(number, outcome=outcome, output=output, reason=reason)


def _asked(
    request: HttpRequest, actor: Actor, run: Run, seq: int, *, form: ResolveForm | None = None, status: int = 200
) -> HttpResponse:  # fmt: skip
    """Return the page with the form; without one where the step is not, or no longer, in question."""
    found = unknown_for(actor, run)
    is_open = found is not None and found.detail.step.seq == seq
    context = {
        "run": run,
        "tab": "",
        "seq": seq,
        "is_stale": status == 409,
        "is_resolving": True,
        "history": history_of(run),
    }
    context |= head_context(request, actor, run)
    context["unknown"] = unknown_words(run, found, form) if found and is_open else None
    return respond(request, "runs/resolve.html", context, regions=_HEAD, status=status)
