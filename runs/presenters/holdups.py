"""What is in the way of a queued run, in words for people and for programs."""

from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from runs.engine.limits import LimitScope
from runs.presenters import text
from runs.selectors.holdups import COUNTED_AHEAD, Holdup

_PLACE = {
    LimitScope.AGENT: "a limit of {max_running} for agent {name}",
    LimitScope.QUEUE: "a limit of {max_running} for the queue {name}",
    LimitScope.KEY: "a limit of {max_running} for the key {name}",
}


def in_the_way(found: Holdup | None) -> dict[str, Any] | None:
    """Return what is in the way as the API tells it."""
    if found is None:
        return None
    if found.kind != "limit":
        who = f"agent {found.name}" if found.kind == "agent_paused" else f"team {found.name}"
        told = {"by": found.by, "reason": found.reason, "at": found.at.isoformat() if found.at else None}
        return {"kind": found.kind, "text": f"{who} is paused by {found.by}", "name": found.name, **told}
    place = _PLACE[LimitScope(found.scope)].format(max_running=f"{found.max_running:,}", name=found.name)
    ahead = f", {found.n_ahead:,} ahead" if found.n_ahead else ""
    return {
        "kind": "limit", "text": f"behind {place}{ahead}", "scope": found.scope, "name": found.name,
        "max_running": found.max_running, "running": found.n_running, "ahead": found.n_ahead,
    }  # fmt: skip


def wait_words(found: Holdup) -> str:
    """Return what the run waits for."""
    if found.kind == "team_paused":
        return _("the team to be resumed")
    if found.kind == "agent_paused":
        return _("agent %(name)s to be resumed") % {"name": text.line(found.name, 60)}
    return _("a place under the limit of %(n)s for %(what)s") % {
        "n": text.number(found.max_running),
        "what": what_words(found.scope, found.name),
    }


def headline(found: Holdup) -> str:
    """Return the sentence that says why the run is not executed."""
    who = {"who": text.line(found.by, 80), "name": text.line(found.name, 80)}
    if found.kind == "team_paused":
        return _("%(who)s has paused the whole team %(name)s.") % who
    if found.kind == "agent_paused":
        return _("%(who)s has paused the agent %(name)s.") % who
    return _("It waits behind a limit of %(n)s for %(what)s.") % {
        "n": text.number(found.max_running),
        "what": what_words(found.scope, found.name),
    }


def body(found: Holdup) -> str:
    """Return what else there is to say."""
    if found.kind != "limit":
        told = text.line(found.reason, 300).rstrip(".")
        return f"{told}." if told else _("None of its runs is executed until somebody resumes it.")
    running = ngettext("%(n)s is executed now", "%(n)s are executed now", found.n_running)
    told = running % {"n": text.number(found.n_running)}
    return f"{told}, {_ahead(found.n_ahead)}." if found.n_ahead is not None else f"{told}."


def what_words(scope: str, name: str) -> str:
    """Return what a limit counts."""
    given = {"name": text.line(name, 80)}
    match scope:
        case LimitScope.AGENT:
            return _("agent %(name)s") % given
        case LimitScope.QUEUE:
            return _("the queue %(name)s") % given
        case _:
            return _("the key %(name)s") % given


def _ahead(n: int) -> str:
    if not n:
        return _("and it is the next")
    if n >= COUNTED_AHEAD:
        return _("and %(n)s or more are ahead of it") % {"n": text.number(n)}
    return ngettext("and %(n)s is ahead of it", "and %(n)s are ahead of it", n) % {"n": text.number(n)}
