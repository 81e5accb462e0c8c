"""A run told in plain words, a stretch of steps at a time."""

from uuid import UUID

from django.http import HttpRequest, HttpResponse

from agentops.accounts.roles import Actor
from runs.models import Run
from runs.presenters.story import beats_of
from runs.presenters.times import now_of
from runs.selectors.console.material import Material, read_material
from runs.selectors.console.story import asides_of
from runs.selectors.runs import run_for
from runs.views.base import number_of, respond, room
from runs.views.run import head_context

REGIONS = {"run-head": "runs/_head.html", "story": "beats"}
MAX_STRETCHES = 4
MANY_SEGMENTS = 60


@room
def story(request: HttpRequest, actor: Actor, run_id: UUID) -> HttpResponse:
    """What happened behind the step `after`, as far as a page holds."""
    run, after = run_for(actor, run_id), number_of(request, "after")
    context = {"run": run, "tab": "story", "after": after}
    region = request.headers.get("HX-Target", "")
    if region != "story":
        context |= head_context(request, actor, run)
    if region != "run-head":
        parts = _read(actor, run, after)
        last = parts[-1].segments[-1].last if parts[-1].is_cut else 1 << 62
        asides = asides_of(actor, run, parts[0].overview.gaps, after=after, upto=last)
        context["beats"] = beats_of(run, parts, asides, is_first=not after, is_last=not parts[-1].is_cut)
        context["next_after"] = last if parts[-1].is_cut else None
    return respond(request, "runs/story.html", context, regions=REGIONS)


def _read(actor: Actor, run: Run, after: int) -> list[Material]:
    """Return stretches behind a step, until there are many segments to tell of, or no more."""
    parts = [read_material(actor, run, now=now_of(run), after=after, offset=0)]
    while (
        parts[-1].is_cut
        and len(parts) < MAX_STRETCHES
        and sum(len(part.segments) for part in parts) < MANY_SEGMENTS
    ):
        last = parts[-1].segments[-1].last
        parts.append(read_material(actor, run, now=now_of(run), after=last, offset=0, known=parts[-1]))
    return parts
