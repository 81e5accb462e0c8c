"""Going another way: the form that forks a run, the one that rewinds it, and the lanes of its branches."""

from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_http_methods

from agentops.accounts.roles import Actor, Scope
from agentops.common.errors import AgentOpsError, IllegalMoveError
from agentops.common.ids import new_token
from runs.checkpoints.chain import IntegrityError
from runs.checkpoints.diff import summarise
from runs.engine.reuse import Mode
from runs.models import Run
from runs.presenters.diff import story_of
from runs.presenters.effects import MEANS
from runs.presenters.fork_form import (
    NAMES,
    ForkForm,
    editable,
    effect_lines,
    estimate,
    fates_of,
    posted,
    pretty,
)
from runs.presenters.lanes import HEIGHT, lanes_of
from runs.selectors.branches import branches_for, has_signals, usual_point
from runs.selectors.console.versions import versions_to_migrate_to
from runs.selectors.effects import effects_behind
from runs.selectors.runs import run_for
from runs.selectors.steps import step_for
from runs.services.fork_plan import ForkPlan, ForkRequest, plan_fork
from runs.services.fork_run import fork_run
from runs.services.preview_fork import ForkPreview, preview_fork
from runs.services.preview_rewind import preview_rewind
from runs.services.rewind_run import may_rewind, rewind_run
from runs.views.base import respond, room
from runs.views.run import head_context

_HEAD = {"run-head": "runs/_head.html"}
_ERRORS = (AgentOpsError, IntegrityError)


@room
def branches(request: HttpRequest, actor: Actor, run_id: UUID) -> HttpResponse:
    """How the run went: its branches and forks, with what caused each."""
    run = run_for(actor, run_id)
    context = {"run": run, "tab": "branches", "lane_height": HEIGHT} | head_context(request, actor, run)
    found = branches_for(actor, run_id)
    context |= {"found": found, "drawn": lanes_of(found)}
    return respond(request, "runs/branches.html", context, regions=_HEAD)


@require_http_methods(["GET", "POST"])
@room
def fork(request: HttpRequest, actor: Actor, run_id: UUID) -> HttpResponse:
    """GET shows the form for the step `from`, with what would happen again; POST makes the fork, however often."""
    actor.require(Scope.RUN)
    run = run_for(actor, run_id)
    seq = _seq(request, "from", usual_point(actor, run))
    try:
        plan = plan_fork(actor, run_id, ForkRequest(seq=seq, effect_mode=Mode.RECORDED))
    except _ERRORS as error:
        return _refused(request, actor, run, "fork", seq, error)
    recorded, has_output = _recorded_output(actor, run, plan)
    if request.method == "GET":
        form = ForkForm(
            seq, state=editable(plan.before), output=pretty(recorded) if has_output else "", input=pretty(plan.input)
        )  # fmt: skip
        return _fork_form(request, actor, plan, form, has_output=has_output)
    form = posted(request.POST.dict(), seq)
    asked = form.request(plan.before, plan.input, recorded, has_output=has_output)
    return _forked(request, actor, plan, form, asked, has_output=has_output)


def _forked(
    request: HttpRequest, actor: Actor, plan: ForkPlan, form: ForkForm, asked: ForkRequest | None, *, has_output: bool
) -> HttpResponse:  # fmt: skip
    if asked is None:
        return _fork_form(request, actor, plan, form, has_output=has_output, status=422)
    try:
        if "preview" in request.POST:
            told = preview_fork(actor, plan.parent.pk, asked)
            return _fork_form(request, actor, told.plan, form, has_output=has_output, preview=told)
        key = request.POST.get("idempotency_key", "") or str(new_token())
        made, _is_new = fork_run(actor=actor, run_id=plan.parent.pk, request=asked, idempotency_key=key)
    except AgentOpsError as error:
        form.refuse(error)
        return _fork_form(request, actor, plan, form, has_output=has_output, status=error.http_status)
    return redirect("runs:run", made.pk)


def _fork_form(
    request: HttpRequest, actor: Actor, plan: ForkPlan, form: ForkForm, *, has_output: bool, status: int = 200, preview: Any = None
) -> HttpResponse:  # fmt: skip
    run = run_for(actor, plan.parent.pk)
    behinds = [effects_behind(plan.parent, plan.point, mode) for mode in NAMES]
    preview = preview or (ForkPreview(plan, [], summarise([]), behinds[0]) if status == 200 else None)
    context = {
        "run": run, "tab": "", "form": form, "plan": plan, "preview": preview, "has_output": has_output,
        "modes": [str(name) for name in NAMES.values()], "behind": behinds[0], "effects": effect_lines(behinds),
        "versions": versions_to_migrate_to(actor, run), "has_signals": has_signals(actor, run),
        "key": request.POST.get("idempotency_key", "") or str(new_token()),
    }  # fmt: skip
    if preview:
        context |= {
            "changes": story_of(preview.plan.before, preview.plan.state), "fates": fates_of(preview.behind),
            "estimate": estimate(preview.behind, preview.plan.mode),
        }  # fmt: skip
    if request.headers.get("HX-Target") == "preview":
        status = 200  # somebody is typing: that it does not fit yet is no error
    else:
        context |= head_context(request, actor, run)
    return respond(request, "runs/fork.html", context, regions=_HEAD | {"preview": "preview"}, status=status)


@require_http_methods(["GET", "POST"])
@room
def rewind(request: HttpRequest, actor: Actor, run_id: UUID) -> HttpResponse:
    """GET says what going back to the step `to` would do; POST does it."""
    actor.require(Scope.RUN)
    run = run_for(actor, run_id)
    seq = _seq(request, "to", usual_point(actor, run))
    try:
        if request.method == "POST":
            rewind_run(actor=actor, run_id=run_id, seq=seq, reason=request.POST.get("reason", "").strip())
            return redirect("runs:run", run_id)
        told = preview_rewind(actor, run_id, seq)
    except _ERRORS as error:
        return _refused(request, actor, run_for(actor, run_id), "rewind", seq, error)
    context = {
        "run": run, "tab": "", "seq": seq, "told": told, "means": MEANS[told.mode], "effects": effect_lines([told.behind]),
    }  # fmt: skip
    return respond(request, "runs/rewind.html", context | head_context(request, actor, run), regions=_HEAD)


def _refused(
    request: HttpRequest, actor: Actor, run: Run, verb: str, seq: int, error: Exception
) -> HttpResponse:
    """Say why the run cannot go another way from there, and from where it can."""
    status = error.http_status if isinstance(error, AgentOpsError) else 409
    nearest = (
        error.data.get("nearest")
        if isinstance(error, AgentOpsError)
        else getattr(error, "last_good_seq", None)
    )
    context = {
        "run": run, "tab": "", "verb": verb, "seq": seq, "error": error, "nearest": nearest,
        "is_moving": isinstance(error, IllegalMoveError) and not may_rewind(run),
    }  # fmt: skip
    context |= head_context(request, actor, run)
    return respond(request, "runs/no_way.html", context, regions=_HEAD, status=status)


def _recorded_output(actor: Actor, run: Run, plan: ForkPlan) -> tuple[Any, bool]:
    """Return what the action at which the fork begins has returned; False when it begins at a node."""
    point = plan.point
    if point.seq in (point.checkpoint_seq, point.node_seq):
        return None, False
    detail = step_for(actor, run.pk, point.seq)
    is_tool = detail.step.kind == "tool"
    return (detail.output.value if detail.output else None), is_tool


def _seq(request: HttpRequest, name: str, otherwise: int) -> int:
    typed = (request.POST if request.method == "POST" else request.GET).get(name, "")
    return int(typed) if typed.isdecimal() and len(typed) < 19 else otherwise
