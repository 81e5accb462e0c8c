"""What needs a person, the most urgent first: each a sentence, and where to go."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from agentops.accounts.roles import Actor
from approvals.selectors.requests import Filters, inbox_for, n_to_decide
from approvals.selectors.sla import late_timers
from runs.models import Source
from runs.presenters.run_search import list_of
from runs.presenters.text import line
from runs.presenters.times import age
from runs.selectors.console.dashboard import troubled_for
from runs.selectors.console.dead_letters import n_dead_letters
from runs.selectors.console.stuck import n_stuck_kinds
from runs.selectors.providers import providers_for, standings_of
from runs.selectors.system import SystemStatus

SHOWN = 5


@dataclass(frozen=True, slots=True)
class Need:
    """One thing to do: `tone` and `icon` as of a status, `more` in smaller words, `verb` on the button that leads to it."""

    tone: str
    icon: str
    words: str
    more: str
    verb: str
    href: str


def needs_of(actor: Actor, system: SystemStatus) -> list[Need]:
    """Return what needs somebody now; empty when nothing does."""
    found = [*_machinery(system), *_late(actor)]
    for ask in _ASKED:
        found += ask(actor)
    return found


def _machinery(system: SystemStatus) -> Iterator[Need]:
    for complaint in system.complaints:
        yield Need("bad", "warning", complaint[0].upper() + complaint[1:], "", _("See what is queued"), list_of("status:queued"))  # fmt: skip


def _late(actor: Actor) -> Iterator[Need]:
    if n := late_timers(actor.team_id).get(actor.team_id, 0):
        words = ngettext(
            "%(n)d reminder or escalation is overdue", "%(n)d reminders or escalations are overdue", n
        )
        yield Need("bad", "wait", words % {"n": n}, _("The clock does not run, or is late."), _("See the report"), reverse("sla:report"))  # fmt: skip


def _approvals(actor: Actor) -> Iterator[Need]:
    n = n_to_decide(actor)
    if not n:
        return
    first = inbox_for(actor, Filters(folder="queues"), limit=1).items
    words = ngettext("%(n)d request waits for your decision", "%(n)d requests wait for your decision", n)
    yield Need("need", "person", words % {"n": n}, _first(first), _("Decide"), reverse("approvals:inbox"))


def _first(rows: list) -> str:  # type: ignore[type-arg]  # bears now_at, which the model does not know
    if not rows:
        return ""
    due_at, left = rows[0].decision_due_at, None
    if due_at:
        left = (due_at - rows[0].now_at).total_seconds()
    about = _("next: %(what)s") % {"what": line(rows[0].summary, 120)}
    if left is None:
        return about
    due = _("late by %(age)s") if left < 0 else _("due in %(age)s")
    return f"{about}, {due % {'age': age(abs(left))}}"


def _integrity(actor: Actor) -> Iterator[Need]:
    found = troubled_for(actor)
    if n := found["integrity_failed"]:
        words = ngettext("%(n)d run cannot be trusted: its rows are not what was written", "%(n)d runs cannot be trusted: their rows are not what was written", n)  # fmt: skip
        yield Need("bad", "shield", words % {"n": n}, _("Fork them from their last good checkpoint."), _("See them"), list_of("is:integrity_failed"))  # fmt: skip
    if n := found["over_budget"]:
        words = ngettext("%(n)d run has reached its budget and is paused", "%(n)d runs have reached their budget and are paused", n)  # fmt: skip
        yield Need("need", "pause", words % {"n": n}, _("All that they did is kept; raise the budget and they go on."), _("See them"), list_of("is:over_budget status:paused"))  # fmt: skip


def _stuck(actor: Actor) -> Iterator[Need]:
    if n := n_stuck_kinds(actor):
        words = ngettext("%(n)d kind of trouble holds runs up", "%(n)d kinds of trouble hold runs up", n)
        yield Need("need", "expired", words % {"n": n}, _("With what ended it before, and remedies for all at once."), _("See what is stuck"), reverse("runs:stuck"))  # fmt: skip


def _failed(actor: Actor) -> Iterator[Need]:
    if n := n_dead_letters(actor):
        words = ngettext("%(n)d run has failed for good", "%(n)d runs have failed for good", n)
        yield Need("bad", "cross", words % {"n": n}, _("By what went wrong; retried one by one or all together."), _("See the dead letters"), reverse("runs:dead-letters"))  # fmt: skip


def _sources(actor: Actor) -> Iterator[Need]:
    for source in Source.objects.filter(team_id=actor.team_id, is_paused=False).exclude(last_error="").order_by("slug")[:SHOWN]:  # fmt: skip
        words = _("Source %(slug)s cannot be read") % {"slug": source.slug}
        yield Need("need", "moving", words, source.last_error[:200], _("See the source"), reverse("runs:source", args=[source.slug]))  # fmt: skip


def _providers(actor: Actor) -> Iterator[Need]:
    providers = providers_for(actor)
    standings = standings_of(actor, providers) if providers else {}
    for provider in providers[: SHOWN * 4]:
        for standing in standings[provider.pk]:
            if standing.open_seconds:
                words = _("%(model)s at %(provider)s does not answer") % {"model": standing.model, "provider": provider.slug}  # fmt: skip
                more = _("It is asked again in %(age)s. %(error)s") % {"age": age(standing.open_seconds), "error": standing.last_error[:200]}  # fmt: skip
                yield Need("need", "llm", words, more, _("See the provider"), reverse("runs:provider", args=[provider.slug]))  # fmt: skip


_ASKED: tuple[Callable[[Actor], Iterator[Need]], ...] = (
    _approvals,
    _integrity,
    _stuck,
    _failed,
    _sources,
    _providers,
)
