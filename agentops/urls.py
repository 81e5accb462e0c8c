"""Where every page and call is mounted."""

from django.urls import URLPattern, URLResolver, include, path

from agentops.api import api, no_such_call
from agentops.health import healthz, readyz
from agentops.home.views import dashboards, home
from agentops.hooks import hook
from agentops.metrics import metrics_page
from runs.views import audit

urlpatterns: list[URLPattern | URLResolver] = [
    path("", home, name="home"),
    path("dashboards", dashboards, name="dashboards"),
    path("", include("runs.urls")),
    path("", include("runs.urls_budgets")),
    path("", include("approvals.urls")),
    path("", include("approvals.urls_sla")),
    path("", include("agentops.notify.urls")),
    path("audit", audit.audit, name="audit"),
    path("audit/verify", audit.audit_verdict, name="audit-verdict"),
    path("audit/export", audit.export_audit, name="export-audit"),
    path("memory/", include("memory.urls")),
    path("healthz", healthz, name="healthz"),
    path("readyz", readyz, name="readyz"),
    path("metrics", metrics_page, name="metrics"),
    path("api/v1/", api.urls),
    path("hooks/<str:slug>", hook, name="hook"),
    path("api/<path:path>", no_such_call),
    path("accounts/", include("allauth.urls")),
    path("", include("agentops.accounts.urls")),
]
