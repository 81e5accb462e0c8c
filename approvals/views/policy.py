"""Rules, modes and queues: who asks whom before what."""

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from agentops.accounts.roles import Actor, Scope
from agentops.common.errors import AgentOpsError, ConflictError, InvalidInputError
from approvals.engine.facts import Facts
from approvals.engine.presets import PRESETS
from approvals.engine.words import MODES
from approvals.models import Rule
from approvals.presenters.rule_form import choices, rule_line, spec_of_posted, stages_words, typed_of
from approvals.selectors.people import reviewers_of
from approvals.selectors.policy import mode_of, modes_for, policy_for, rule_for, rules_for, ruling_on
from approvals.selectors.queues import absences_for, queue_named, queues_for
from approvals.services.open_request import spec_of
from approvals.services.save_queue import QueueSpec, delete_queue, end_absence, save_queue, set_absence
from approvals.services.save_rule import apply_preset, delete_rule, save_rule, set_mode
from runs.models import Agent
from runs.programs import programs
from runs.services.checks import misfit
from runs.tools.registry import all_tools
from runs.views.base import respond, room


@room
def policy(request: HttpRequest, actor: Actor) -> HttpResponse:
    """What asks, what is denied, and who decides; with a form that tries it out."""
    return _policy(request, actor, **_tried(request, actor))


@require_POST
@room
def mode(request: HttpRequest, actor: Actor) -> HttpResponse:
    """Set the mode of an agent, or of all others."""
    chosen, agent = request.POST.get("mode", ""), request.POST.get("agent", "")
    return _done(request, actor, lambda: set_mode(actor=actor, mode=chosen, agent=agent))


@require_POST
@room
def preset(request: HttpRequest, actor: Actor, slug: str) -> HttpResponse:
    """Put in the rules of a preset."""
    return _done(request, actor, lambda: apply_preset(actor=actor, slug=slug))


@require_http_methods(["GET", "POST"])
@room
def rule(request: HttpRequest, actor: Actor, rule_id: UUID | None = None) -> HttpResponse:
    """Write a rule, or change one."""
    found = rule_for(actor, rule_id) if rule_id else None
    if request.method == "GET":
        return _rule_form(request, actor, found, typed_of(found))
    typed: dict[str, Any] = request.POST.dict()
    typed |= {name: request.POST.getlist(name) for name in ("effects", "data_classes")}
    version = typed.get("version", "")
    try:
        spec = spec_of_posted(typed)
        save_rule(
            actor=actor,
            spec=spec,
            rule_id=rule_id,
            version=int(version) if version.isdecimal() and len(version) < 10 else None,
        )
    except (InvalidInputError, ConflictError) as error:
        return _rule_form(request, actor, found, typed, error=error, status=error.http_status)
    return redirect("approvals:policy")


@require_POST
@room
def remove_rule(request: HttpRequest, actor: Actor, rule_id: UUID) -> HttpResponse:
    """Remove a rule."""
    return _done(request, actor, lambda: delete_rule(actor=actor, rule_id=rule_id))


@require_http_methods(["GET", "POST"])
@room
def queue(request: HttpRequest, actor: Actor, slug: str = "") -> HttpResponse:
    """Make a queue, or change one."""
    found = queue_named(actor, slug) if slug else None
    if request.method == "GET":
        return _queue_form(request, actor, found, {})
    posted = request.POST
    try:
        save_queue(actor=actor, slug=slug, spec=_queue_spec(posted))
    except (InvalidInputError, ConflictError) as error:
        return _queue_form(request, actor, found, posted.dict(), error=error, status=error.http_status)
    return redirect("approvals:policy")


@require_POST
@room
def remove_queue(request: HttpRequest, actor: Actor, slug: str) -> HttpResponse:
    """Remove a queue."""
    return _done(request, actor, lambda: delete_queue(actor=actor, slug=slug))


@require_POST
@room
def away(request: HttpRequest, actor: Actor) -> HttpResponse:
    """Say who decides in one's place, and when."""
    posted = request.POST
    return _done(request, actor, lambda: set_absence(
        actor=actor, delegate=posted.get("delegate", ""), starts_at=_instant(posted.get("starts_at", ""), "/starts_at"),
        ends_at=_instant(posted.get("ends_at", ""), "/ends_at"),
    ))  # fmt: skip


@require_POST
@room
def back(request: HttpRequest, actor: Actor, absence_id: UUID) -> HttpResponse:
    """Take one's absence back."""
    return _done(request, actor, lambda: end_absence(actor=actor, absence_id=absence_id))


def _instant(typed: str, pointer: str) -> datetime:
    try:
        found = datetime.fromisoformat(typed)
    except ValueError:
        raise misfit(pointer, _("must be a day and a time")) from None
    return found if found.tzinfo else timezone.make_aware(found)


def _queue_spec(posted: Any) -> QueueSpec:
    seconds = posted.get("claim_minutes", "15").strip()
    return QueueSpec(
        name=posted.get("name", "").strip(), members=posted.getlist("members"), agents=_split(posted.get("agents", "")),
        actions=_split(posted.get("actions", "")), claim_seconds=int(seconds) * 60 if seconds.isdecimal() and len(seconds) < 5 else 0,
    )  # fmt: skip


def _split(typed: str) -> list[str]:
    return [part.strip() for part in typed.split(",") if part.strip()]


def _done(request: HttpRequest, actor: Actor, act: Callable[[], Any]) -> HttpResponse:
    try:
        act()
    except (ConflictError, InvalidInputError) as error:
        return _policy(request, actor, refusal=error, status=error.http_status)
    return redirect("approvals:policy")


def _policy(request: HttpRequest, actor: Actor, *, status: int = 200, **more: Any) -> HttpResponse:
    rules = rules_for(actor)
    own = modes_for(actor)
    agents = Agent.objects.filter(team_id=actor.team_id).order_by("slug").values_list("slug", flat=True)
    context: dict[str, Any] = {
        "policy": policy_for(actor), "modes": MODES, "own_modes": own, "agents": list(agents), "rules": [rule_line(one) for one in rules],
        "presets": [(one, any(rule.preset == one.slug for rule in rules)) for one in PRESETS], "queues": queues_for(actor),
        "absences": absences_for(actor), "can_admin": actor.can(Scope.ADMIN), "can_review": actor.can(Scope.REVIEW), "me": actor.user_id,
        "people": [one.user for one in reviewers_of(actor.team_id) if one.user_id != actor.user_id], **more,
    }  # fmt: skip
    return respond(request, "approvals/policy.html", context, status=status)


def _tried(request: HttpRequest, actor: Actor) -> dict[str, Any]:
    """Return what the rules say of the action in the form, if one was tried."""
    programs()
    tools = [spec.name for spec in all_tools() if spec.effect.is_write]
    tool, agent, typed = (request.GET.get(name, "").strip() for name in ("tool", "agent", "args"))
    base = {"tools": tools, "tried": {"tool": tool, "agent": agent, "args": typed}}
    if not tool:
        return base
    try:
        args = json.loads(typed or "{}")
    except (ValueError, RecursionError) as error:
        return base | {"try_error": _("This is not JSON: %s") % error}
    if not isinstance(args, dict):
        return base | {"try_error": _("This must be a JSON object, in braces.")}
    spec = spec_of(tool)
    facts = Facts(agent, tool, spec.effect.value if spec else "write", args)
    ruling = ruling_on(actor.team_id, facts, mode_of(actor.team_id, agent))
    told = {"verdict": ruling.verdict, "why": ruling.why, "others": ruling.others, "facts": facts, "mode": mode_of(actor.team_id, agent),
            "who": stages_words([stage.as_json() for stage in ruling.stages]) if ruling.verdict == "ask" else ""}  # fmt: skip
    return base | {"ruling": told}


def _rule_form(
    request: HttpRequest,
    actor: Actor,
    found: Rule | None,
    typed: dict[str, Any],
    *,
    error: AgentOpsError | None = None,
    status: int = 200,
) -> HttpResponse:
    context = {
        "rule": found, "typed": typed, "error": error, "queues": queues_for(actor), "choices": choices(), "ks": ["1", "2", "3", "4", "all"],
        "can_admin": actor.can(Scope.ADMIN),
    }  # fmt: skip
    return respond(request, "approvals/rule.html", context, status=status)


def _queue_form(
    request: HttpRequest,
    actor: Actor,
    found: Any,
    typed: dict[str, Any],
    *,
    error: AgentOpsError | None = None,
    status: int = 200,
) -> HttpResponse:
    people = [one.user for one in reviewers_of(actor.team_id)]
    given = (
        request.POST.getlist("members") if request.method == "POST" else getattr(found, "member_names", [])
    )
    context = {
        "queue": found, "typed": typed, "error": error, "people": people, "members": given, "can_admin": actor.can(Scope.ADMIN),
        "minutes": (found.claim_seconds if found else 900) // 60,
    }  # fmt: skip
    return respond(request, "approvals/queue.html", context, status=status)
