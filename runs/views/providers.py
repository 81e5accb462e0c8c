"""Providers of language models: the list, the form that makes or changes one, the test of its connection."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from agentops.accounts.roles import Actor, Scope
from agentops.common.errors import AgentOpsError, ConflictError
from runs.engine.providers import ProviderKind
from runs.models import Provider
from runs.presenters.event_forms import PlainForm
from runs.presenters.provider_form import KINDS, models_of, provider_form
from runs.presenters.provider_wire import models_out
from runs.selectors.providers import provider_for, providers_for, standings_of
from runs.services.check_provider import ProviderCheck, check_provider
from runs.services.create_provider import create_provider
from runs.services.delete_provider import delete_provider
from runs.services.update_provider import update_provider
from runs.views.base import respond, room


@room
def provider_list(request: HttpRequest, actor: Actor) -> HttpResponse:
    """The providers of the team, and how their models stand."""
    providers = providers_for(actor)
    standings = standings_of(actor, providers)
    rows = [
        {"provider": it, "kind": _label(it), "models": models_out(it, standings[it.pk])} for it in providers
    ]
    return respond(request, "runs/providers.html", {"rows": rows, "can_edit": actor.can(Scope.ADMIN)})


@room
def provider_page(request: HttpRequest, actor: Actor, slug: str) -> HttpResponse:
    """One provider, with its form."""
    provider = provider_for(actor, slug)
    return _page(request, actor, provider, provider_form(ProviderKind(provider.kind), None, provider))


@require_http_methods(["GET", "POST"])
@room
def new(request: HttpRequest, actor: Actor) -> HttpResponse:
    """GET shows the form of a kind, POST makes a provider."""
    actor.require(Scope.ADMIN)
    posted = request.POST if request.method == "POST" else None
    kind = _kind(str((posted or request.GET).get("kind", "")))
    form = provider_form(kind, posted)
    values = _values(form) if posted is not None else None
    if values is not None:
        try:
            provider = create_provider(actor=actor, kind=kind, **values)
        except AgentOpsError as error:
            form.refuse(error)
        else:
            messages.success(request, _("The provider is there. Test its connection."))
            return redirect("runs:provider", provider.slug)
    kinds = [(it.value, label, it is kind) for it, (label, _meaning) in KINDS.items()]
    context = {"kind": kind, "kinds": kinds, "meaning": KINDS[kind][1], "form": form}
    return _unkept(
        respond(request, "runs/provider_form.html", context, status=200 if posted is None else 422)
    )


@require_POST
@room
def change(request: HttpRequest, actor: Actor, slug: str) -> HttpResponse:
    """Change the provider to what the form says."""
    provider = provider_for(actor, slug)
    form = provider_form(ProviderKind(provider.kind), request.POST, provider)
    values = _values(form)
    if values is not None:
        try:
            changes = {key: value for key, value in values.items() if key != "key" or value}
            update_provider(actor=actor, slug=slug, changes=changes, version=_seen(request))
        except AgentOpsError as error:
            form.refuse(error)
        else:
            messages.success(request, _("The provider is changed."))
            return redirect("runs:provider", slug)
    return _page(request, actor, provider, form, status=422)


@require_POST
@room
def switch(request: HttpRequest, actor: Actor, slug: str, *, changes: dict[str, Any]) -> HttpResponse:
    """Switch the provider off or on, or make it the default one."""
    update_provider(actor=actor, slug=slug, changes=changes)
    return redirect("runs:provider", slug)


@require_POST
@room
def check(request: HttpRequest, actor: Actor, slug: str) -> HttpResponse:
    """Ask the provider whether it knows us, and show what it says."""
    found = check_provider(actor=actor, slug=slug)
    provider = provider_for(actor, slug)
    form = provider_form(ProviderKind(provider.kind), None, provider)
    return _page(request, actor, provider, form, check=found)


@require_http_methods(["GET", "POST"])
@room
def delete(request: HttpRequest, actor: Actor, slug: str) -> HttpResponse:
    """GET asks, POST deletes; a provider that was changed meanwhile is shown once more."""
    actor.require(Scope.ADMIN)
    provider = provider_for(actor, slug)
    if request.method == "POST":
        try:
            delete_provider(actor=actor, slug=slug, version=_seen(request))
        except ConflictError as error:
            context = {"provider": provider, "told": error.detail}
            return respond(request, "runs/provider_delete.html", context, status=409)
        messages.info(request, _("The provider “%(slug)s” is deleted.") % {"slug": slug})
        return redirect("runs:providers")
    return respond(request, "runs/provider_delete.html", {"provider": provider})


def _page(
    request: HttpRequest,
    actor: Actor,
    provider: Provider,
    form: PlainForm,
    *,
    check: ProviderCheck | None = None,
    status: int = 200,
) -> HttpResponse:
    context = {
        "provider": provider,
        "kind": _label(provider),
        "models": models_out(provider, standings_of(actor, [provider])[provider.pk]),
        "form": form,
        "check": check,
        "can_edit": actor.can(Scope.ADMIN),
    }
    return _unkept(respond(request, "runs/provider.html", context, status=status))


def _values(form: PlainForm) -> dict[str, Any] | None:
    """Return what the form says, its models read; None when a field cannot be read, and is marked."""
    values = form.values
    if values is None:
        return None
    try:
        return {**values, "models": models_of(str(values.get("models", "")))}
    except ValueError as error:
        next(one for one in form.fields if one.name == "models").error = str(error)
        return None


def _seen(request: HttpRequest) -> int:
    given = request.POST.get("version", "")
    return int(given) if given.isascii() and given.isdecimal() and len(given) < 10 else -1


def _label(provider: Provider) -> Any:
    kind = ProviderKind(provider.kind)
    return KINDS[kind][0] if kind in KINDS else provider.kind


def _kind(given: str) -> ProviderKind:
    return next((kind for kind in KINDS if kind == given), ProviderKind.OPENAI)


def _unkept(response: HttpResponse) -> HttpResponse:
    response.headers["Cache-Control"] = "no-store"
    return response
