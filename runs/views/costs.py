"""What was spent on models."""

from django.http import HttpRequest, HttpResponse

from agentops.accounts.roles import Actor
from runs.presenters.costs import HEIGHT, WIDTH, chart_of, shares_of
from runs.selectors.budgets import spend_by, spend_of_days, today
from runs.views.base import respond, room

SPANS = (7, 30, 90, 365)


@room
def costs(request: HttpRequest, actor: Actor) -> HttpResponse:
    """Costs by day, by agent and by model; of one agent's days with `agent`."""
    asked = request.GET.get("days", "")
    days = int(asked) if asked in {str(span) for span in SPANS} else 30
    agent = request.GET.get("agent", "")[:100]
    context = {
        "chart": chart_of(spend_of_days(actor, days=days), last=today(), days=days, agent=agent),
        "width": WIDTH,
        "height": HEIGHT,
        "agents": shares_of(spend_by(actor, "agent", days=days)),
        "models": shares_of(spend_by(actor, "model", days=days)),
        "days": days,
        "spans": SPANS,
        "agent": agent,
    }
    return respond(request, "runs/costs.html", context)
