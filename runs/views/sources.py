"""Sources of events: the list, one of them, the form that makes one, its secret, pausing and deleting it."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from agentops.accounts.roles import Actor, Scope
from agentops.common.errors import AgentOpsError, ConflictError
from runs.engine.sources import SourceKind
from runs.models import Source
from runs.presenters.event_forms import KINDS, form_of, secret_schema, source_schema
from runs.presenters.events import event_rows, pretty, source_row
from runs.presenters.source_wire import hook_path
from runs.selectors.sources import source_for, sources_for, starts_of
from runs.selectors.waits import events_for
from runs.services.create_source import create_source
from runs.services.delete_source import delete_source
from runs.services.renew_source_secret import renew_source_secret
from runs.services.update_source import update_source
from runs.views.base import respond, room

PAGE_ROWS = 50
SHOWN_EVENTS = 20


@room
def source_list(request: HttpRequest, actor: Actor) -> HttpResponse:
    """The sources of the team, newest first."""
    cursor = request.GET.get("cursor", "")
    page = sources_for(actor, cursor=cursor, limit=PAGE_ROWS)
    context = {
        "rows": [source_row(source) for source in page.items],
        "older": page.next_cursor,
        "is_first": not cursor,
        "tab": "sources",
        "can_edit": actor.can(Scope.ADMIN),
    }
    return respond(request, "runs/sources.html", context)


@room
def source_page(request: HttpRequest, actor: Actor, slug: str) -> HttpResponse:
    """One source: how it fares, and the last events that it told of."""
    return _page(request, actor, source_for(actor, slug))


@require_http_methods(["GET", "POST"])
@room
def new(request: HttpRequest, actor: Actor) -> HttpResponse:
    """GET shows the form of a kind; POST makes a source and shows its secret, this once."""
    actor.require(Scope.ADMIN)
    asked = request.POST if request.method == "POST" else request.GET
    kind = _kind(str(asked.get("kind", "")))
    form = form_of(source_schema(kind), request.POST if request.method == "POST" else None)
    values = form.values if request.method == "POST" else None
    if values is not None:
        slug, secret = str(values.pop("slug", "")), str(values.pop("secret", ""))
        try:
            source, told = create_source(actor=actor, slug=slug, kind=kind, settings=values, secret=secret)
        except AgentOpsError as error:
            form.refuse(error)
        else:
            return _page(request, actor, source, told="" if secret else told, is_new=True)
    context = {"kind": kind, "kinds": _kinds(kind), "meaning": KINDS[kind][1], "form": form, "tab": "sources"}
    return _unkept(
        respond(request, "runs/source_form.html", context, status=422 if request.method == "POST" else 200)
    )


@require_POST
@room
def pause(request: HttpRequest, actor: Actor, slug: str, *, is_paused: bool) -> HttpResponse:
    """Pause a source, or let it go on."""
    update_source(actor=actor, slug=slug, changes={"paused": is_paused})
    return redirect("runs:source", slug)


@require_http_methods(["GET", "POST"])
@room
def secret(request: HttpRequest, actor: Actor, slug: str) -> HttpResponse:
    """GET asks, POST gives the source another secret and shows one that was made, this once."""
    actor.require(Scope.ADMIN)
    source = source_for(actor, slug)
    schema = secret_schema(SourceKind(source.kind))
    if schema is None:
        return redirect("runs:source", slug)
    form = form_of(schema, request.POST if request.method == "POST" else None)
    values = form.values if request.method == "POST" else None
    if values is not None:
        given = str(values.get("secret", ""))
        try:
            source, told = renew_source_secret(actor=actor, slug=slug, secret=given)
        except AgentOpsError as error:
            form.refuse(error)
        else:
            return _page(request, actor, source, told="" if given else told)
    context = {"row": source_row(source), "form": form}
    return _unkept(
        respond(request, "runs/source_secret.html", context, status=422 if request.method == "POST" else 200)
    )


@require_http_methods(["GET", "POST"])
@room
def delete(request: HttpRequest, actor: Actor, slug: str) -> HttpResponse:
    """GET asks, POST deletes; a source that was changed meanwhile is shown once more."""
    actor.require(Scope.ADMIN)
    source = source_for(actor, slug)
    given = request.POST.get("version", "")
    seen = int(given) if given.isascii() and given.isdecimal() and len(given) < 10 else -1
    if request.method == "POST":
        try:
            delete_source(actor=actor, slug=slug, version=seen)
        except ConflictError as error:
            context = {"source": source, "told": error.detail}
            return respond(request, "runs/source_delete.html", context, status=409)
        messages.info(request, _("The source “%(slug)s” is deleted.") % {"slug": slug})
        return redirect("runs:sources")
    return respond(request, "runs/source_delete.html", {"source": source})


def _page(
    request: HttpRequest, actor: Actor, source: Source, *, told: str = "", is_new: bool = False
) -> HttpResponse:
    kind = SourceKind(source.kind)
    page = events_for(actor, source=kind.label(source.slug), limit=SHOWN_EVENTS)
    context: dict[str, Any] = {
        "row": source_row(source),
        "source": source,
        "hook": request.build_absolute_uri(hook_path(source)) if hook_path(source) else "",
        "settings": [(name, pretty(value)) for name, value in source.settings.items()],
        "rows": event_rows(page.items, starts_of(actor, [event.id for event in page.items])),
        "label": kind.label(source.slug),
        "told": told,
        "is_new": is_new,
        "can_edit": actor.can(Scope.ADMIN),
        "has_secret": secret_schema(kind) is not None,
    }
    return _unkept(respond(request, "runs/source.html", context))


def _unkept(response: HttpResponse) -> HttpResponse:
    response.headers["Cache-Control"] = "no-store"
    return response


def _kind(given: str) -> SourceKind:
    return SourceKind(given) if given in set(SourceKind) else SourceKind.WEBHOOK


def _kinds(chosen: SourceKind) -> list[tuple[str, Any, bool]]:
    return [(kind.value, label, kind is chosen) for kind, (label, _meaning) in KINDS.items()]
