"""The HTTP API: its routers, who may call it, and how it answers (docs/reference/api.md)."""

from collections.abc import Callable
from difflib import get_close_matches
from functools import wraps
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from ninja import NinjaAPI
from ninja.errors import HttpError, ValidationError

from agentops import problems
from agentops.api_auth import SessionAuth, TokenAuth
from agentops.common.errors import BadRequestError
from agentops.edge import CleanJsonParser, JsonRenderer
from approvals.api import router as approval_router
from approvals.api_policy import router as rule_router
from approvals.api_time import calendars_router, escalations_router
from memory.api import router as memory_router
from runs.api import agents_router, router
from runs.api_agents import router as definition_router
from runs.api_agents import tools_router
from runs.api_audit import router as audit_router
from runs.api_batches import router as batch_router
from runs.api_batches import run_router as batch_run_router
from runs.api_branches import router as branch_router
from runs.api_budgets import cost_router
from runs.api_budgets import router as budget_router
from runs.api_budgets import run_router as run_budget_router
from runs.api_bulk import router as bulk_router
from runs.api_callbacks import router as callback_router
from runs.api_callbacks import secret_router
from runs.api_files import router as file_router
from runs.api_limits import agents_router as pause_router
from runs.api_limits import router as limit_router
from runs.api_limits import team_router
from runs.api_providers import router as provider_router
from runs.api_rate_limits import router as rate_limit_router
from runs.api_retention import router as retention_router
from runs.api_retention import run_router as keep_router
from runs.api_retention import storage_router
from runs.api_schedules import router as schedule_router
from runs.api_sources import router as source_router
from runs.api_stream import router as stream_router
from runs.api_stuck import agents_router as watch_router
from runs.api_stuck import router as stuck_router
from runs.api_stuck import run_router as note_router
from runs.api_triggers import router as trigger_router
from runs.api_waits import events_router
from runs.api_waits import router as wait_router
from runs.schemas import ProblemOut

_ERRORS = {
    "description": "What went wrong, as RFC 9457 problem details",
    "content": {problems.CONTENT_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemOut"}}},
}


class Api(NinjaAPI):
    """The API, whose errors are all problem details and stand in its OpenAPI document."""

    def get_openapi_schema(self, **options: Any) -> Any:
        """Return the OpenAPI document with the answer of every call to a mistake; made once, for it takes a second."""
        known = self.__dict__.setdefault("_documents", {})
        key = repr(sorted(options.items()))
        if key not in known:
            known[key] = self._made(**options)
        return known[key]

    def _made(self, **options: Any) -> Any:
        document = super().get_openapi_schema(**options)
        document["components"]["schemas"]["ProblemOut"] = ProblemOut.model_json_schema()
        for methods in document["paths"].values():
            for operation in methods.values():
                operation["responses"]["default"] = _ERRORS
        return document


def only_known_parameters(function: Callable[..., Any]) -> Callable[..., Any]:
    """Make a call refuse query parameters that it does not know, instead of leaving a filter out in silence."""

    @wraps(function)
    def wrapper(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        known = _query_parameters(function)
        for name in request.GET:
            if name not in known:
                near = get_close_matches(name, known, n=1) or sorted(known)
                hint = f"did you mean {' or '.join(near)}?" if near else "this call takes none"
                raise BadRequestError(f"there is no parameter {name!r} here; {hint}", parameter=name)
        return function(request, *args, **kwargs)

    return wrapper


def _query_parameters(function: Any) -> set[str]:
    models = function._ninja_operation.models  # noqa: SLF001 -- ninja keeps what it knows of a call there
    return {name for model in models if model.__ninja_param_source__ == "query" for name in _names(model)}


def _names(model: Any) -> list[str]:
    return list(getattr(model, "__ninja_flatten_map__", None) or model.model_fields)


api = Api(
    title="AgentOps",
    version="1",
    description="Start, watch and stop runs of agents. Every list is `?limit=&cursor=`; every error is a problem.",
    urls_namespace="api-1",
    auth=[TokenAuth(), SessionAuth()],
    parser=CleanJsonParser(),
    renderer=JsonRenderer(),
)
api.add_decorator(only_known_parameters)
for kind in (Exception, HttpError, ValidationError, Http404):
    api.add_exception_handler(kind, problems.handle)
api.add_router("/runs", router)
api.add_router("/runs", branch_router)
api.add_router("/runs", batch_run_router)
api.add_router("/batches", batch_router)
api.add_router("/runs", file_router)
api.add_router("/runs", stream_router)
api.add_router("/runs", callback_router)
api.add_router("/callbacks", secret_router)
api.add_router("/runs", wait_router)
api.add_router("/events", events_router)
api.add_router("/sources", source_router)
api.add_router("/triggers", trigger_router)
api.add_router("/providers", provider_router)
api.add_router("/schedules", schedule_router)
api.add_router("/agents", definition_router)
api.add_router("/tools", tools_router)
api.add_router("/bulk", bulk_router)
api.add_router("/audit", audit_router)
api.add_router("/memory", memory_router)
api.add_router("/agents", agents_router)
api.add_router("/approvals", approval_router)
api.add_router("/policies/approval-rules", rule_router)
api.add_router("/policies/escalations", escalations_router)
api.add_router("/policies/calendars", calendars_router)
api.add_router("/policies/budgets", budget_router)
api.add_router("/policies/rate-limits", rate_limit_router)
api.add_router("/runs", run_budget_router)
api.add_router("/costs", cost_router)
api.add_router("/policies/retention", retention_router)
api.add_router("/runs", keep_router)
api.add_router("/storage", storage_router)
api.add_router("/agents", pause_router)
api.add_router("/agents", watch_router)
api.add_router("/runs", note_router)
api.add_router("/stuck", stuck_router)
api.add_router("/limits", limit_router)
api.add_router("/team", team_router)


def no_such_call(request: HttpRequest, path: str = "") -> HttpResponse:
    """Answer for addresses under /api/ where nothing is."""
    return problems.problem_response(problems.of_status(404))
