"""How long runs are kept: policies with what they would do tonight, the work on it, and what everything takes."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from agentops.accounts.roles import Actor, Scope
from agentops.common.errors import AgentOpsError, ConflictError
from runs.engine.retention import Rule
from runs.models import RetentionPolicy
from runs.presenters import text
from runs.presenters.audit import detail_of
from runs.presenters.retention import due_row, job_words, policy_form, policy_row, settings_of
from runs.selectors.audit import entries_for
from runs.selectors.console.lists import agents_with_counts
from runs.selectors.prune_preview import prune_sums_for
from runs.selectors.retention import (
    due_sums_for,
    job_for,
    jobs_for,
    policies_for,
    policy_for,
    rule_of,
)
from runs.selectors.schedules import database_now
from runs.selectors.storage import storage_for
from runs.services.begin_retention import begin_retention, stop_retention
from runs.services.save_retention import (
    SETTINGS,
    create_retention,
    draft_of,
    remove_retention,
    update_retention,
)
from runs.views.base import respond, room

SHOWN_JOBS = 10
SHOWN_CHANGES = 20


@room
def policy_list(request: HttpRequest, actor: Actor) -> HttpResponse:
    """The policies, what they would do tonight, the works of the last nights, and for admins who changed what."""
    prunes, policies = prune_sums_for(actor), list(policies_for(actor))
    due = [*due_sums_for(actor), *(prunes or ())]
    context = {
        "rows": [policy_row(policy) for policy in policies],
        "due": [due_row(one) for one in due],
        "is_uncounted": prunes is None,
        "is_due": any(one.n_runs for one in due) or any(one.is_on and one.prune_days for one in policies),
        "jobs": [job_words(job) for job in jobs_for(actor, limit=SHOWN_JOBS).items],
        "can_edit": actor.can(Scope.ADMIN),
        "changes": _changes(actor),
        "now": database_now(),
    }
    return respond(request, "runs/retention.html", context)


@require_http_methods(["GET", "POST"])
@room
def new(request: HttpRequest, actor: Actor) -> HttpResponse:
    """GET shows the form; POST with `preview` shows what the policy would do, without it makes the policy."""
    actor.require(Scope.ADMIN)
    return _form_page(request, actor, None)


@require_http_methods(["GET", "POST"])
@room
def policy_page(request: HttpRequest, actor: Actor, retention_id: UUID) -> HttpResponse:
    """A policy and the form that changes it."""
    policy = policy_for(actor, retention_id)
    if request.method == "POST":
        actor.require(Scope.ADMIN)
    return _form_page(request, actor, policy)


@require_POST
@room
def remove(request: HttpRequest, actor: Actor, retention_id: UUID) -> HttpResponse:
    """Remove a policy; one that was changed meanwhile is shown again."""
    try:
        remove_retention(actor=actor, policy_id=retention_id, version=_seen(request))
    except ConflictError as error:
        messages.error(request, text.line(error.detail, 400))
        return redirect("runs:retention-policy", retention_id)
    messages.info(request, _("The policy is removed."))
    return redirect("runs:retention")


@require_POST
@room
def apply(request: HttpRequest, actor: Actor) -> HttpResponse:
    """Begin now what the preview tells."""
    try:
        job = begin_retention(actor=actor)
    except ConflictError as error:
        messages.error(request, text.line(error.detail, 400))
        return redirect("runs:retention")
    return redirect("runs:retention-work", job.pk)


@room
def work(request: HttpRequest, actor: Actor, work_id: UUID) -> HttpResponse:
    """How far a work of retention is."""
    context = {"job": job_words(job_for(actor, work_id)), "can_edit": actor.can(Scope.ADMIN)}
    return respond(request, "runs/retention_work.html", context, regions={"work": "work"})


@require_POST
@room
def stop(request: HttpRequest, actor: Actor, work_id: UUID) -> HttpResponse:
    stop_retention(actor=actor, job_id=work_id)
    return redirect("runs:retention-work", work_id)


@room
def storage(request: HttpRequest, actor: Actor) -> HttpResponse:
    """What the team's runs take, by agent and by kind of row, and the largest runs."""
    found = storage_for(actor)
    names = (
        "step_bytes",
        "outcome_bytes",
        "checkpoint_bytes",
        "other_bytes",
        "row_bytes",
        "file_bytes",
        "n_whole",
        "n_archived",
    )
    totals = {name: found.total(name) for name in names} | {"n_unmeasured": found.total("n_unmeasured")}
    most = max((agent.row_bytes for agent in found.agents), default=0) or 1
    shares = [(agent, round(100 * agent.row_bytes / most, 1)) for agent in found.agents]
    return respond(request, "runs/storage.html", {"found": found, "shares": shares, "totals": totals})


def _form_page(request: HttpRequest, actor: Actor, policy: RetentionPolicy | None) -> HttpResponse:
    posted = request.POST if request.method == "POST" else None
    agents = [card.agent.slug for card in agents_with_counts(actor)]
    given = settings_of(policy) if policy else {"is_on": True}
    form = policy_form(agents, posted, given, is_new=policy is None)
    context: dict[str, Any] = {"form": form, "policy": policy, "can_edit": actor.can(Scope.ADMIN)}
    if policy is not None:
        context["row"] = policy_row(policy)
    values = form.values if posted is not None else None
    if values is None:
        context |= _due(actor, policy.pk, None) if policy else {"due": []}
        return respond(request, "runs/retention_policy.html", context, status=422 if posted else 200)
    try:
        if "preview" in request.POST:
            context |= _preview(actor, policy, values)
            return respond(request, "runs/retention_policy.html", context)
        _saved(actor, policy, values, _seen(request))
    except AgentOpsError as error:
        form.refuse(error)
        return respond(request, "runs/retention_policy.html", context, status=error.http_status)
    messages.info(request, _("The policy is saved. It is carried out tonight, or when you apply it."))
    return redirect("runs:retention")


def _preview(actor: Actor, policy: RetentionPolicy | None, values: dict[str, Any]) -> dict[str, Any]:
    """Return what the policy would do as the form says."""
    settings = _settings(values)
    if policy is None:
        draft = draft_of(actor, agent=values.get("agent", ""), status=values.get("status", ""), **settings)
    else:
        slug = policy.agent.slug if policy.agent else ""
        draft = draft_of(actor, agent=slug, status=policy.status, **settings)
        draft.pk = policy.pk
    rule = rule_of(draft)
    return _due(actor, rule.id, rule) | {"is_previewed": True}


def _due(actor: Actor, policy_id: UUID, instead: Rule | None) -> dict[str, Any]:
    """Return what one policy would do now."""
    prunes = prune_sums_for(actor, instead=instead)
    found = [*due_sums_for(actor, instead=instead), *(prunes or ())]
    return {
        "due": [due_row(one) for one in found if one.rule.id == policy_id],
        "is_uncounted": prunes is None,
    }


def _saved(actor: Actor, policy: RetentionPolicy | None, values: dict[str, Any], version: int) -> None:
    if policy is not None:
        update_retention(actor=actor, policy_id=policy.pk, version=version, **_settings(values))
        return
    create_retention(
        actor=actor, agent=values.get("agent", ""), status=values.get("status", ""), **_settings(values)
    )


def _settings(values: dict[str, Any]) -> dict[str, Any]:
    flags = {"keeps_files": False, "is_on": False}
    return {name: values.get(name, flags.get(name)) for name in SETTINGS}


def _changes(actor: Actor) -> list[Any]:
    if not actor.can(Scope.ADMIN):
        return []
    return [
        (entry, detail_of(entry))
        for entry in entries_for(actor, query="action:retention.*", limit=SHOWN_CHANGES).items
    ]


def _seen(request: HttpRequest) -> int:
    """Return the version that the form was made of; what is no number is nobody's."""
    given = request.POST.get("version", "")
    return int(given) if given.isascii() and given.isdecimal() and len(given) < 10 else -1
