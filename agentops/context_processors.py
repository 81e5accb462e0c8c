"""What the frame around every page shows: the rooms, the state of the system, the person and their theme."""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils import timezone
from django.utils.functional import Promise, SimpleLazyObject
from django.utils.translation import gettext_lazy as _

from agentops.accounts.middleware import maybe_actor_of
from agentops.accounts.models import Team
from agentops.accounts.roles import Scope
from agentops.notify.selectors import n_unread
from approvals.selectors.requests import n_to_decide
from runs.presenters.dead_letters import count_words
from runs.presenters.system import SystemWords, system_words
from runs.selectors.console.dead_letters import n_dead_letters
from runs.selectors.console.stuck import n_stuck_kinds
from runs.selectors.holdups import Pauses, pauses_for, team_for
from runs.views.base import system_of

DEAD_LETTERS = "runs:dead-letters"
STUCK = "runs:stuck"
APPROVALS = "approvals:inbox"
BELL = "notify:bell"
THEME_COOKIE = "theme"
THEMES: dict[str, tuple[str, str, str | Promise]] = {
    "auto": ("light", "auto", _("Theme: as the system. Change to light")),
    "light": ("dark", "sun", _("Theme: light. Change to dark")),
    "dark": ("auto", "moon", _("Theme: dark. Change to the system's")),
}


@dataclass(frozen=True, slots=True)
class Room:
    """A link of the rail; `key` is its shortcut, `badge` what waits there; `is_first` of a group."""

    label: str | Promise
    icon: str
    url: str
    is_here: bool
    key: str = ""
    badge: str = ""
    is_first: bool = False


class Console:
    """The frame of a signed-in page; each part is looked up when the template asks for it."""

    def __init__(self, request: HttpRequest) -> None:
        self._request = request

    @property
    def rooms(self) -> list[Room]:
        rooms = [room for room in map(self._room, _ROOMS) if room]
        here = max((room.url for room in rooms if self._is_in(room.url)), key=len, default="")
        return [replace(room, is_here=room.url == here) for room in rooms]

    @property
    def system(self) -> SystemWords:
        return system_words(system_of(self._request))

    @property
    def team_name(self) -> str:
        return self._team.name if self._team else ""

    @cached_property
    def pauses(self) -> Pauses | None:
        """What is paused whole; None for nothing, and for nobody."""
        actor = maybe_actor_of(self._request)
        return pauses_for(actor, self._team) if actor and self._team else None

    @cached_property
    def _team(self) -> Team | None:
        actor = maybe_actor_of(self._request)
        return team_for(actor) if actor else None

    @property
    def zone(self) -> str:
        return timezone.get_current_timezone_name()

    def _room(self, known: tuple[str | Promise, str, str, str]) -> Room | None:
        label, icon, name, key = known
        try:
            url = reverse(name)
        except NoReverseMatch:
            return None
        if name in _FOR_ADMINS and not self._may(Scope.ADMIN):
            return None
        return Room(
            label, icon, url, is_here=False, key=key, badge=self._badge(name), is_first=name in _BEGIN
        )

    def _may(self, scope: Scope) -> bool:
        actor = maybe_actor_of(self._request)
        return actor is not None and actor.can(scope)

    def _is_in(self, url: str) -> bool:
        return self._request.path == url or (
            url != "/" and self._request.path.startswith((url, *_ALSO.get(url, ())))
        )

    def _badge(self, name: str) -> str:
        """Return how much waits there: failed runs, open approvals, kinds of trouble."""
        actor = maybe_actor_of(self._request)
        count = _COUNTS.get(name)
        n = count(actor) if actor and count else 0
        return count_words(n) if n else ""


_COUNTS = {DEAD_LETTERS: n_dead_letters, STUCK: n_stuck_kinds, APPROVALS: n_to_decide, BELL: n_unread}
_ROOMS: list[tuple[str | Promise, str, str, str]] = [
    (_("Home"), "home", "home", "g h"),
    (_("Runs"), "runs", "runs:list", "g r"),
    (_("Approvals"), "approval", APPROVALS, "g p"),
    (_("Stuck"), "expired", STUCK, "g k"),
    (_("Dead letters"), "warning", DEAD_LETTERS, "g d"),
    (_("Agents"), "agents", "runs:agents", "g a"),
    (_("Schedules"), "calendar", "runs:schedules", "g s"),
    (_("Batches"), "layers", "runs:batches", "g b"),
    (_("Events"), "bolt", "runs:events", ""),
    (_("Memory"), "memory", "memory:spaces", ""),
    (_("Limits"), "gauge", "runs:limits", ""),
    (_("Budgets"), "coin", "budgets:list", ""),
    (_("Retention"), "archive", "runs:retention", ""),
    (_("Notifications"), "bell", BELL, ""),
    (_("Audit"), "shield", "audit", ""),
    (_("Administration"), "person", "runs:administration", ""),
    (_("API"), "book", "api-1:openapi-view", ""),
]
# The rooms that begin a group in the rail: what runs are made of; what keeps them in bounds.
_BEGIN = {"runs:agents", "runs:limits"}
_FOR_ADMINS = {"audit", "runs:administration"}
# Pages of a room that stand at other addresses.
_ALSO = {"/approvals": ("/policies/approval-rules", "/policies/queues", "/policies/escalations", "/policies/calendars"), "/events": ("/sources", "/triggers"), "/policies/budgets": ("/costs",),
         "/policies/retention": ("/storage",)}  # fmt: skip


def console(request: HttpRequest) -> dict[str, Any]:
    """Return the variables of base.html."""
    theme = request.COOKIES.get(THEME_COOKIE, "auto")
    theme = theme if theme in THEMES else "auto"
    next_theme, icon, label = THEMES[theme]
    return {
        "theme": theme,
        "next_theme": next_theme,
        "theme_icon": icon,
        "theme_label": label,
        "console": SimpleLazyObject(lambda: Console(request)),
    }
