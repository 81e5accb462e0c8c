"""The form that starts a run, made from the agent's JSON Schema."""

from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_http_methods

from agentops.accounts.roles import Actor, Scope
from agentops.common.errors import AgentOpsError, IdempotencyConflictError, InvalidInputError, NotFoundError
from agentops.common.ids import new_token
from runs.models import AgentVersion
from runs.presenters.schema_form import Field, blank_form, document, filled_form, place_errors, property_order
from runs.programs import programs
from runs.selectors.agents import version_for
from runs.selectors.console.lists import agents_with_counts
from runs.selectors.console.run import input_for
from runs.services.start_run import start_run
from runs.views.base import respond, room


@require_http_methods(["GET", "POST"])
@room
def start(request: HttpRequest, actor: Actor) -> HttpResponse:
    """GET shows the form of an agent, filled from `from` (a run) where given; POST starts one run, however often."""
    actor.require(Scope.RUN)
    version = _chosen(request, actor)
    if version is None:
        return respond(request, "runs/start.html", {})
    if request.method == "POST":
        return _started(request, actor, version)
    fields = blank_form(version.input_schema, _earlier(request, actor), _order(version))
    return _form(request, actor, version, fields, key=str(new_token()))


def _chosen(request: HttpRequest, actor: Actor) -> AgentVersion | None:
    slug = (request.POST if request.method == "POST" else request.GET).get("agent", "")
    if slug:
        return version_for(actor, slug, _number(request))
    first = next((card.agent.slug for card in agents_with_counts(actor) if card.published), None)
    return version_for(actor, first) if first else None


def _number(request: HttpRequest) -> int | None:
    """Return the number of the version that is to be tried; None for the one that starts."""
    given = (request.POST if request.method == "POST" else request.GET).get("version", "")
    return int(given) if given.isascii() and given.isdecimal() and len(given) < 10 else None


def _order(version: AgentVersion) -> list[str]:
    """Return the order in which the agent's author wrote the properties, where the code is installed here."""
    known = programs().get((version.program, version.program_version))
    return property_order(known.input_schema) if known else []


def _earlier(request: HttpRequest, actor: Actor) -> Any:
    try:
        given = input_for(actor, UUID(request.GET.get("from", "")))
    except (ValueError, NotFoundError):
        return None
    return given if isinstance(given, dict) else None


def _started(request: HttpRequest, actor: Actor, version: AgentVersion) -> HttpResponse:
    fields, key = (
        filled_form(version.input_schema, request.POST.dict(), _order(version)),
        request.POST.get("idempotency_key", ""),
    )
    told: list[str] = []
    found = document(fields)
    if found is not None:
        try:
            run, _made = start_run(
                actor=actor, agent=version.agent.slug, input=found, idempotency_key=key or str(new_token()),
                title=request.POST.get("title", "").strip() or None, version=_number(request),
            )  # fmt: skip
            return redirect("runs:run", run.id)
        except InvalidInputError as error:
            told = place_errors(fields, error.data.get("errors", ())) or (
                [] if _placed(fields) else [error.detail]
            )
        except IdempotencyConflictError as error:
            return _form(request, actor, version, fields, key=str(new_token()), earlier=error.data["run_id"])
        except AgentOpsError as error:
            told = [error.detail]
    return _form(request, actor, version, fields, key=key, told=told, status=422)


def _placed(fields: list[Field]) -> bool:
    return any(field.error for field in fields)


def _form(
    request: HttpRequest, actor: Actor, version: AgentVersion, fields: list[Field], *, key: str, status: int = 200, **more: Any
) -> HttpResponse:  # fmt: skip
    context = {
        "version": version,
        "fields": fields,
        "key": key,
        "number": _number(request),
        "title": request.POST.get("title", ""),
        "agents": [card.agent for card in agents_with_counts(actor) if card.published],
        "n_errors": sum(bool(field.error) for field in fields),
        **more,
    }
    return respond(request, "runs/start.html", context, status=status)
