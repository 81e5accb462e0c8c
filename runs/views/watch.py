"""What an agent is watched for: its rules in words, the form that sets them, what they would do, and who changed them."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from agentops.accounts.roles import Actor, Scope
from agentops.common.canonical import digest
from agentops.common.errors import AgentOpsError, ConflictError
from runs.engine.watch_rules import rules_from
from runs.presenters.event_forms import PlainForm
from runs.presenters.watch import (
    change_words,
    history_rows,
    preview_words,
    refuse,
    rule_rows,
    shown_runs,
    watch_form,
    watch_of,
)
from runs.selectors.agents import agent_for
from runs.selectors.audit import entries_for
from runs.services.preview_watch import declared_for, preview_watch
from runs.services.set_watch import set_watch
from runs.views.base import respond, room

SHOWN_CHANGES = 20


@require_http_methods(["GET", "POST"])
@room
def agent_watch(request: HttpRequest, actor: Actor, slug: str) -> HttpResponse:
    """GET shows the rules; POST sets them, with `reset` back to what holds without, with `preview` says what they would do."""
    if request.method == "GET":
        return _page(request, actor, slug)
    actor.require(Scope.ADMIN)
    agent = agent_for(actor, slug)
    form = watch_form(request.POST, rules_from({}))
    watch = {} if "reset" in request.POST else watch_of(form, declared_for(actor, agent))
    if watch is None:
        return _page(request, actor, slug, form=form, status=422)
    try:
        if "preview" in request.POST:
            return _page(request, actor, slug, form=form, **_preview(actor, slug, watch))
        if request.POST.get("seen") != digest(agent.watch).hex():
            raise ConflictError(_("Somebody else has changed the rules meanwhile. Theirs hold; look at them before you change them again."))  # fmt: skip
        set_watch(actor=actor, slug=slug, watch=watch, seen=agent.watch)
    except AgentOpsError as error:
        refuse(form, error)
        return _page(request, actor, slug, form=form, status=error.http_status)
    messages.success(request, _("The rules hold from now on, also for runs that are open."))
    return redirect("runs:agent-watch", slug)


def _page(
    request: HttpRequest, actor: Actor, slug: str, *, form: PlainForm | None = None, status: int = 200, **more: Any
) -> HttpResponse:  # fmt: skip
    agent, can_edit = agent_for(actor, slug), actor.can(Scope.ADMIN)
    declared = declared_for(actor, agent)
    rules = rules_from({**declared, **agent.watch})
    form = form or watch_form(None, rules)
    query = f"subject:agent:{agent.slug} action:agent.watch"
    entries = entries_for(actor, query=query, limit=SHOWN_CHANGES).items if can_edit else []
    context = {
        "agent": agent, "form": form, "rows": rule_rows(form, rules, declared, agent.watch), "can_edit": can_edit,
        "seen": digest(agent.watch).hex(), "is_set": bool(agent.watch), "changes": history_rows(list(entries), declared), **more,
    }  # fmt: skip
    return respond(request, "runs/watch.html", context, status=status)


def _preview(actor: Actor, slug: str, watch: dict[str, Any]) -> dict[str, Any]:
    found = preview_watch(actor=actor, slug=slug, watch=watch)
    agent = agent_for(actor, slug)
    changed = change_words(agent.watch, watch, declared_for(actor, agent))
    return {"is_previewed": True, "changed": changed, "told": preview_words(found), "hits": shown_runs(found)}
