"""Agents without code: made and changed as a form or as JSON, their versions compared, published, rolled back, carried over."""

import json
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from agentops.accounts.roles import Actor, Scope
from agentops.common.errors import AgentOpsError, ConflictError
from runs.models import AgentVersion
from runs.presenters.agent_form import (
    AgentForm,
    form_of_document,
    form_of_fields,
    form_of_json,
    told_json,
    tool_choices,
)
from runs.presenters.agent_rows import standing
from runs.presenters.agent_versions import differences, version_rows
from runs.presenters.stuck import odds_words
from runs.selectors.agents import agent_for, version_for, versions_for
from runs.selectors.console.odds import odds_for
from runs.selectors.definitions import document_of, export_of, names_for, runs_by_version, tools_for
from runs.services.add_version import add_version
from runs.services.check_definition import checked_definition, warnings_about
from runs.services.create_agent import create_agent
from runs.services.import_agent import import_agent
from runs.services.publish_version import publish_version
from runs.services.roll_back import roll_back
from runs.views.base import number_of, respond, room

MAX_FILE_BYTES = 512 * 1024
BLANK = {"instructions": ""}
ROWS = "rows"  # the button that shows one more blank row


@require_http_methods(["GET", "POST"])
@room
def new(request: HttpRequest, actor: Actor) -> HttpResponse:
    """GET shows an empty form, or one with what the agent `from` says; POST makes an agent, its first version a draft."""
    actor.require(Scope.ADMIN)
    if request.method == "GET":
        source = request.GET.get("from", "")
        document = version_for(actor, source).definition if source else None
        return _form(request, actor, form_of_document(document or BLANK), slug="")
    form, slug = _posted(request), request.POST.get("slug", "").strip()
    if request.POST.get("side") == ROWS:
        return _form(request, actor, form, slug=slug)
    if form.document is not None and not form.problems:
        try:
            create_agent(actor=actor, slug=slug, definition=form.document, note=request.POST.get("note", ""))
        except AgentOpsError as error:
            form.refuse(error)
        else:
            messages.success(request, _("Version 1 is saved as a draft. Try it, then publish it."))
            return redirect("runs:agent-versions", slug)
    return _form(request, actor, form, slug=slug, status=422)


@require_http_methods(["GET", "POST"])
@room
def edit(request: HttpRequest, actor: Actor, slug: str) -> HttpResponse:
    """GET shows what the newest version (or `version`) says; POST saves a new one, unless somebody else has meanwhile."""
    actor.require(Scope.ADMIN)
    newest = versions_for(actor, slug)[0]
    shown = version_for(actor, slug, number_of(request, "version") or newest.number)
    if shown.definition is None:
        raise ConflictError(_("This agent is made of code: change the code, and raise its version."))
    if request.method == "GET":
        return _form(request, actor, form_of_document(shown.definition), slug=slug, version=newest)
    form, based_on = _posted(request), _whole(request.POST.get("based_on", ""))
    if request.POST.get("side") == ROWS:
        return _form(request, actor, form, slug=slug, version=newest, based_on=based_on)
    if form.document is not None and not form.problems:
        try:
            version, is_new = add_version(
                actor=actor, slug=slug, definition=form.document, based_on=based_on, note=request.POST.get("note", "")
            )  # fmt: skip
        except AgentOpsError as error:
            form.refuse(error)
        else:
            _tell_saved(request, version, is_new=is_new)
            return redirect("runs:agent-versions", slug)
    return _form(request, actor, form, slug=slug, version=newest, based_on=based_on, status=422)


@require_POST
@room
def check(request: HttpRequest, actor: Actor) -> HttpResponse:
    """Show on the other side what this side says, and on both what is wrong with it; nothing is saved."""
    actor.require(Scope.ADMIN)
    form = _posted(request)
    warnings = _look(actor, form, request.POST.get("slug", ""))
    context = {"form": form, "warnings": warnings, "is_swap": True, "side": request.POST.get("side", "")}
    context |= {"tools": tool_choices(form, tools_for(actor)), "names": names_for(actor)}
    context |= {"slots": standing(form.fields, request.POST)}
    return respond(request, "runs/agent_check.html", context)


@room
def versions(request: HttpRequest, actor: Actor, slug: str) -> HttpResponse:
    """The versions of an agent, and what differs between two of them: by default the live one and the newest."""
    agent, found = agent_for(actor, slug), versions_for(actor, slug)
    live: int | None = agent.published  # type: ignore[attr-defined]  # agent_for annotates it
    b = number_of(request, "b") or found[0].number
    a = number_of(request, "a") or _before(found, b, live)
    pair = (version_for(actor, slug, a), version_for(actor, slug, b))
    newest = found[0]
    context = {
        "agent": agent, "rows": version_rows(found, live, runs_by_version(actor, agent)), "live": live, "newest": newest,
        "a": pair[0], "b": pair[1], "document": told_json(document_of(pair[1])), "differences": differences(*pair) if a != b else [],
        "can_edit": actor.can(Scope.ADMIN), "can_start": actor.can(Scope.RUN), "is_code": newest.definition is None,
        "odds": odds_words(odds_for(actor, agent)),
        "warnings": [] if newest.definition is None else warnings_about(team_id=actor.team_id, slug=slug, definition=newest.definition),
    }  # fmt: skip
    return respond(request, "runs/agent_versions.html", context)


@require_POST
@room
def publish(request: HttpRequest, actor: Actor, slug: str, number: int) -> HttpResponse:
    """Let runs start from a version."""
    try:
        publish_version(actor=actor, slug=slug, number=number, note=request.POST.get("note", ""))
    except AgentOpsError as error:
        return _refused(request, slug, error)
    messages.success(request, _("Version %(n)s is live: runs start from it.") % {"n": number})
    return redirect("runs:agent-versions", slug)


@require_POST
@room
def back(request: HttpRequest, actor: Actor, slug: str, number: int) -> HttpResponse:
    """Let runs start from an earlier version again."""
    try:
        roll_back(actor=actor, slug=slug, number=number, note=request.POST.get("note", ""))
    except AgentOpsError as error:
        return _refused(request, slug, error)
    told = _("Runs start from version %(n)s again. Those that are under way go on with theirs.") % {
        "n": number
    }
    messages.success(request, told)
    return redirect("runs:agent-versions", slug)


@room
def export(request: HttpRequest, actor: Actor, slug: str) -> HttpResponse:
    """A version as a file."""
    document = export_of(actor, slug, number_of(request, "version") or None)
    told = json.dumps(document, indent=2, ensure_ascii=False)
    answer = HttpResponse(told, content_type="application/json; charset=utf-8")
    answer["Content-Disposition"] = f'attachment; filename="{slug}-v{document["version"]}.agent.json"'
    return answer


@require_http_methods(["GET", "POST"])
@room
def take_over(request: HttpRequest, actor: Actor) -> HttpResponse:
    """GET shows the form that takes a file, POST takes over the agent in it."""
    actor.require(Scope.ADMIN)
    if request.method == "GET":
        return respond(request, "runs/agent_import.html", {})
    try:
        document = json.loads(_file_of(request))
        version, is_new = import_agent(
            actor=actor, document=document, slug=request.POST.get("slug", "").strip()
        )
    except (ValueError, RecursionError):
        told = [_("The file is no JSON of at most %(n)s KiB.") % {"n": MAX_FILE_BYTES // 1024}]
    except AgentOpsError as error:
        told = [f"{one['pointer']} {one['message']}" for one in error.data.get("errors", ())] or [
            error.detail
        ]
    else:
        _tell_saved(request, version, is_new=is_new)
        return redirect("runs:agent-versions", version.agent.slug)
    return respond(request, "runs/agent_import.html", {"told": told, "slug": request.POST.get("slug", "")}, status=422)  # fmt: skip


def _form(
    request: HttpRequest, actor: Actor, form: AgentForm, *, slug: str, version: AgentVersion | None = None,
    based_on: int | None = None, status: int = 200,
) -> HttpResponse:  # fmt: skip
    context = {
        "form": form, "slug": slug, "version": version, "based_on": based_on or (version.number if version else 0),
        "tools": tool_choices(form, tools_for(actor)), "names": names_for(actor), "note": request.POST.get("note", ""),
        "warnings": [] if form.n_errors else _look(actor, form, slug) if version else [],
        "is_swap": False,
    }  # fmt: skip
    return respond(request, "runs/agent_form.html", context, status=status)


def _posted(request: HttpRequest) -> AgentForm:
    if request.POST.get("side") == "json":
        return form_of_json(request.POST.get("json", ""))
    return form_of_fields(request.POST)


def _look(actor: Actor, form: AgentForm, slug: str) -> list[tuple[str, str]]:
    """Return what is missing here for a definition; what is wrong with it is put where it belongs."""
    if form.document is None or form.problems:
        return []
    try:
        definition = checked_definition(team_id=actor.team_id, given=form.document)
    except AgentOpsError as error:
        form.refuse(error)
        return []
    return warnings_about(team_id=actor.team_id, slug=slug, definition=definition)


def _tell_saved(request: HttpRequest, version: AgentVersion, *, is_new: bool) -> None:
    if is_new:
        messages.success(request, _("Version %(n)s is saved as a draft. Try it, then publish it.") % {"n": version.number})  # fmt: skip
    else:
        messages.info(request, _("Nothing has changed: version %(n)s says the same.") % {"n": version.number})


def _refused(request: HttpRequest, slug: str, error: AgentOpsError) -> HttpResponse:
    if error.http_status in (403, 404):
        raise error
    messages.error(request, error.detail)
    return redirect("runs:agent-versions", slug)


def _before(found: list[AgentVersion], b: int, live: int | None) -> int:
    """Return which version one would compare `b` with: the live one, or else the one before it."""
    if live and live != b:
        return live
    return next((it.number for it in found if it.number < b), b)


def _whole(given: str) -> int | None:
    return int(given) if given.isascii() and given.isdecimal() and len(given) < 10 else None


def _file_of(request: HttpRequest) -> str:
    """Raises: ValueError for a file that is none, too large or no text."""
    given: Any = request.FILES.get("file")
    if given is None:
        return str(request.POST.get("text", ""))[:MAX_FILE_BYTES]
    if given.size > MAX_FILE_BYTES:
        raise ValueError
    return str(given.read().decode("utf-8"))
