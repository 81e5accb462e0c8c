"""Pages of memory: spaces, one of them, a search, an item with its history, and what a run wrote."""

from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods, require_POST

from agentops.accounts.roles import Actor, Scope
from agentops.common.errors import AgentOpsError, ConflictError, InvalidInputError
from memory.engine.kinds import SearchMode
from memory.models import Item
from memory.presenters.forms import item_schema, space_schema
from memory.presenters.pages import hit_row, item_row, revision_rows, space_row, status_tabs
from memory.selectors.items import item_for, items_for, revisions_of, written_by_run
from memory.selectors.search import Found, search
from memory.selectors.spaces import counted_spaces_for, space_for
from memory.services import change_item
from memory.services.create_space import create_space
from memory.services.put_item import put_item
from memory.services.undo_run import undo_run
from runs.presenters.event_forms import form_of
from runs.presenters.json_tree import preview
from runs.views.base import respond, room

PAGE_ROWS = 50
SEARCH_HITS = 25


@room
def space_list(request: HttpRequest, actor: Actor) -> HttpResponse:
    """The team's spaces, and a search through all of them."""
    context = {
        "rows": [space_row(space) for space in counted_spaces_for(actor)],
        "can_edit": actor.can(Scope.ADMIN),
        **_searched(request, actor, []),
    }
    return respond(request, "memory/spaces.html", context)


@room
def space_page(request: HttpRequest, actor: Actor, space: str) -> HttpResponse:
    """One space: what it holds, the last changed first, or what a search in it finds."""
    found = space_for(actor, space)
    status, cursor = request.GET.get("status", "active"), request.GET.get("cursor", "")
    page = items_for(actor, found, status="" if status == "all" else status, cursor=cursor, limit=PAGE_ROWS)
    context = {
        "space": found,
        "rows": [item_row(item) for item in page.items],
        "tabs": status_tabs(status),
        "older": page.next_cursor,
        "is_first": not cursor,
        "can_write": actor.can(Scope.RUN),
        **_searched(request, actor, [space]),
    }
    return respond(request, "memory/space.html", context)


def _searched(request: HttpRequest, actor: Actor, slugs: list[str]) -> dict[str, object]:
    asked, mode = request.GET.get("q", "").strip(), request.GET.get("mode", "hybrid")
    if not asked:
        return {"asked": "", "modes": list(SearchMode), "mode": mode}
    told, found = "", Found([], ())
    try:
        kind = SearchMode(mode) if mode in set(SearchMode) else SearchMode.HYBRID
        found = search(actor, query=asked, spaces=slugs, mode=kind, k=SEARCH_HITS)
    except InvalidInputError as error:
        told = error.detail
    hits = [hit_row(hit) for hit in found.hits]
    return {
        "asked": asked,
        "modes": list(SearchMode),
        "mode": mode,
        "hits": hits,
        "legs": found.legs,
        "told": told,
    }


@require_http_methods(["GET", "POST"])
@room
def new_space(request: HttpRequest, actor: Actor) -> HttpResponse:
    """GET shows the form, POST makes a space."""
    actor.require(Scope.ADMIN)
    form = form_of(space_schema(), request.POST if request.method == "POST" else None)
    values = form.values if request.method == "POST" else None
    if values is not None:
        try:
            made = create_space(actor=actor, **values)
        except AgentOpsError as error:
            form.refuse(error)
        else:
            return redirect("memory:space", made.slug)
    return respond(
        request, "memory/space_form.html", {"form": form}, status=422 if request.method == "POST" else 200
    )


@require_http_methods(["GET", "POST"])
@room
def new_item(request: HttpRequest, actor: Actor, space: str) -> HttpResponse:
    """GET shows the form, POST remembers something new."""
    actor.require(Scope.RUN)
    found = space_for(actor, space)
    form = form_of(item_schema(with_key=True), request.POST if request.method == "POST" else None)
    values = form.values if request.method == "POST" else None
    if values is not None:
        try:
            item = put_item(actor=actor, space=space, if_version=0, **values)
        except AgentOpsError as error:
            form.refuse(error)
        else:
            return redirect("memory:item", space, item.key)
    context = {"form": form, "space": found}
    return respond(request, "memory/item_form.html", context, status=422 if request.method == "POST" else 200)


@room
def item_page(request: HttpRequest, actor: Actor, space: str, key: str) -> HttpResponse:
    """One item: what it says, where it comes from, what it was."""
    found = item_for(actor, space, key)
    context = {
        "item": found,
        "row": item_row(found),
        "tokens": preview(found.data) if found.data is not None else (),
        "revisions": revision_rows(revisions_of(actor, found)),
        "can_write": actor.can(Scope.RUN),
    }
    return respond(request, "memory/item.html", context)


@require_http_methods(["GET", "POST"])
@room
def edit(request: HttpRequest, actor: Actor, space: str, key: str) -> HttpResponse:
    """GET shows the form filled, POST writes a revision; one that somebody was quicker with is shown beside it."""
    actor.require(Scope.RUN)
    found = item_for(actor, space, key)
    posted = request.POST if request.method == "POST" else None
    form = form_of(item_schema(), posted, given=_given(found))
    values = form.values if posted is not None else None
    status = 422 if posted is not None else 200
    if values is not None and posted is not None:
        try:
            put_item(actor=actor, space=space, key=key, if_version=_seen(posted.get("version", "")), **values)
        except AgentOpsError as error:
            status = error.http_status
            form.refuse(error)
        else:
            return redirect("memory:item", space, key)
    seen = _seen(posted.get("version", "")) if posted is not None and status != 409 else found.version
    context = {"form": form, "space": found.space, "item": found, "version": seen, "is_stale": status == 409}
    return respond(request, "memory/item_form.html", context, status=status)


@require_POST
@room
def change(request: HttpRequest, actor: Actor, space: str, key: str, verb: str) -> HttpResponse:
    """Forget, accept, pin, unpin or restore an item, as its page was seen."""
    version = _seen(request.POST.get("version", ""))
    try:
        _change(actor, space, key, verb, _seen(request.POST.get("to", "")), version)
    except ConflictError as error:
        messages.warning(request, error.detail)
    return redirect("memory:item", space, key)


def _change(actor: Actor, space: str, key: str, verb: str, to: int, version: int) -> Item:
    if verb == "forget":
        return change_item.forget_item(actor=actor, space=space, key=key, if_version=version)
    if verb == "accept":
        return change_item.accept_item(actor=actor, space=space, key=key, if_version=version)
    if verb == "restore":
        return change_item.restore_item(actor=actor, space=space, key=key, version=to, if_version=version)
    return change_item.pin_item(
        actor=actor, space=space, key=key, is_pinned=verb == "pin", if_version=version
    )


@require_http_methods(["GET", "POST"])
@room
def of_run(request: HttpRequest, actor: Actor, run_id: UUID) -> HttpResponse:
    """GET lists what a run wrote; POST takes it back."""
    if request.method == "POST":
        undone = undo_run(actor=actor, run_id=run_id, reason=request.POST.get("reason", ""))
        n = len(undone.reverted)
        messages.info(
            request, ngettext("%(n)d item is as before.", "%(n)d items are as before.", n) % {"n": n}
        )
        if undone.kept:
            kept = ", ".join(found.key for found in undone.kept[:5])
            messages.warning(
                request, _("Kept, since somebody has changed them later: %(keys)s") % {"keys": kept}
            )
        return redirect("memory:of-run", run_id)
    rows = [item_row(found) for found in written_by_run(actor, run_id)]
    n_current = sum(row.item.run_id == run_id for row in rows)
    context = {"rows": rows, "run_id": run_id, "n_current": n_current, "can_write": actor.can(Scope.RUN)}
    return respond(request, "memory/of_run.html", context)


def _given(found: Item) -> dict[str, object]:
    names = ("text", "data", "tags", "importance", "is_pinned")
    return {name: getattr(found, name) for name in names if getattr(found, name) is not None}


def _seen(given: str) -> int:
    return int(given) if given.isascii() and given.isdecimal() and len(given) < 10 else -1
