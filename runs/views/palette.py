"""Going anywhere by typing: runs, agents and saved views that a few letters find."""

from django.http import HttpRequest, HttpResponse

from agentops.accounts.roles import Actor
from agentops.common.errors import BadQueryError
from runs.presenters.run_list import run_row
from runs.selectors.console.lists import agents_with_counts
from runs.selectors.runs import run_list_for
from runs.selectors.saved_views import views_for
from runs.views.base import respond, room

MAX_CHARACTERS = 200
SHOWN_RUNS = 7
SHOWN = 5


@room
def palette(request: HttpRequest, actor: Actor) -> HttpResponse:
    """What `q` finds; without it the newest runs. A page of its own for those without JavaScript."""
    typed = request.GET.get("q", "").replace("\0", "").strip()[:MAX_CHARACTERS]
    problem = ""
    try:
        runs = run_list_for(actor, text=typed, limit=SHOWN_RUNS).items
    except BadQueryError as error:
        runs, problem = [], error.detail
    wanted = typed.casefold()
    agents = [
        card.agent
        for card in agents_with_counts(actor)
        if wanted in f"{card.agent.slug} {card.agent.title}".casefold()
    ]
    views = [view for view in views_for(actor) if wanted in view.name.casefold()]
    context = {
        "typed": typed, "problem": problem, "rows": [run_row(run) for run in runs],
        "agents": agents[:SHOWN] if typed else [], "saved": views[:SHOWN],
    }  # fmt: skip
    return respond(request, "runs/palette.html", context, regions={"palette-found": "found"})
