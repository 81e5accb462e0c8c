"""Runs of `portal-filing` that got stuck on the days before, with their episodes: what the page Stuck shows after a week."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import connection

from agentops.accounts.roles import Actor, Scope
from agentops.common.errors import BadRequestError
from agentops.common.transactions import transaction
from agentops.demo.services.history import Act, History, database_now
from runs.engine.fingerprints import fingerprint, normalised
from runs.models import AgentVersion, Run, StuckState
from runs.selectors.agents import version_for
from runs.services.decide_stuck_kind import decide_stuck_kind
from runs.services.take_remedy import THE_WATCH
from runs.services.watch_runs import add_episodes

MAX_DAYS = 90
USER = "clerk"
_WAIT = {"state": "wait", "message": "The portal lets nobody in just now."}
_SHUT = 24
_HELD_UP = 2


@dataclass(frozen=True, slots=True)
class _Episode:
    """What the watch would have seen of a run."""

    reason: str
    node: str
    error: str
    text: str
    from_at: datetime

    def row(self, run: Run) -> dict[str, Any]:
        print_ = fingerprint(reason=self.reason, name=self.node, error=self.error)
        return {
            "team_id": str(run.team_id), "run_id": str(run.pk), "agent_id": str(run.agent_id), "reason": self.reason,
            "node": self.node, "error": self.error, "text": self.text, "fingerprint": print_,
            "from_at": self.from_at.isoformat(), "from_seq": 2, "upto_seq": run.n_steps, "branch": 1,
        }  # fmt: skip


def insert_stuck(*, actor: Actor, n_days: int) -> int:
    """Insert runs that got stuck on each of the last days, and some that still are; returns how many there are.

    Those of the past were let in again, were cancelled, or failed at the portal's filing desk; those of today are paused at
    `login` and can be resumed.

    Raises: NotAllowedError, NotFoundError, BadRequestError for a number that makes no sense. Transaction: one.
    """
    actor.require(Scope.ADMIN)
    if not 1 <= n_days <= MAX_DAYS:
        raise BadRequestError(f"1 to {MAX_DAYS} days", days=n_days)
    version = version_for(actor, "portal-filing")
    with transaction():
        today = _beginning_of_day()
        n_runs = sum(_past_day(actor, version, today, day) for day in range(n_days, 0, -1))
        for number in range(_HELD_UP):
            _held_up(actor, version, number)
        _decide(actor)
    return n_runs + _HELD_UP


def _past_day(actor: Actor, version: AgentVersion, today: datetime, day: int) -> int:
    """Insert what happened so many days ago: the portal was shut at noon, and now and then its filing desk was broken."""
    noon = today - timedelta(days=day) + timedelta(hours=12, minutes=7 * day % 50)
    n_shut = 1 + day * 5 % 4
    for number in range(n_shut):
        _was_shut_out(actor, version, noon + timedelta(minutes=4 * number), number=day * 10 + number)
    if day % 3 == 2:
        _failed_to_file(actor, version, noon + timedelta(hours=2), number=day * 10 + 9)
    return n_shut + (day % 3 == 2)


def _was_shut_out(actor: Actor, version: AgentVersion, at: datetime, *, number: int) -> None:
    history, episode = _before_the_door(version, at, number)
    paused_at, history.clock = history.clock, history.clock + timedelta(minutes=25 + number % 40)
    is_let_in = number % 4 != 3
    if is_let_in:
        history.node("login", [_login("in")], delta=[["set", "/n_tries", _SHUT + 1]], summary="signed in")
        filing = {"filing": f"filing-{number}", "tries": _SHUT + 1}
        history.node("file", [_file(number, {"id": filing["filing"]})], delta=[], summary=f"filed as {filing['filing']}")  # fmt: skip
        run = history.saved(_title(number), actor.name, output=filing)
    else:
        reason = "filed by hand meanwhile"
        run = history.saved(_title(number), actor.name, status="cancelled", ended_by=actor.name, end_reason=reason)  # fmt: skip
    _record(run, episode, _taken(paused_at), "resumed" if is_let_in else "cancelled", actor.name, history.clock)  # fmt: skip


def _failed_to_file(actor: Actor, version: AgentVersion, at: datetime, *, number: int) -> None:
    history = _prepared(version, at, number)
    history.node("login", [_login("in")], delta=[["set", "/n_tries", 1]], summary="signed in")
    said = {"code": "http_503", "message": f"the portal answered 503 to case {number}"}
    began = history.clock
    history.failed_node("file", [_file(number, said, attempts=3, error_code="http_503")], error_code="http_503")  # fmt: skip
    run = history.saved(_title(number), actor.name, status="failed", error=said | {"node": "file"})
    error = normalised(f"{said['code']}: {said['message']}")
    text = f"portal.file failed 3 times in a row: {said['message']}"
    _record(run, _Episode("stuck", "file", error, text, began), [], "failed", "", history.clock)


def _held_up(actor: Actor, version: AgentVersion, number: int) -> None:
    at = database_now() - timedelta(minutes=12 + 9 * number)
    history, episode = _before_the_door(version, at, 900 + number)
    run = history.saved(
        _title(900 + number), actor.name, status="paused", paused_from="queued", ended_at=None, node="login", health=["looping"],
        node_seq=history.seq + 1, node_at=history.clock, ended_by=THE_WATCH, end_reason=f"looping: {episode.text}"[:1000],
    )  # fmt: skip
    _record(run, episode, _taken(history.clock), "", "", None)


def _prepared(version: AgentVersion, at: datetime, number: int) -> History:
    given = {"case": _case(number), "facts": "A fence of two metres along the street.", "user": USER}
    history = History(version, given, at)
    history.node("prepare", [], delta=[["set", "/text", given["facts"]]], summary="39 characters")
    return history


def _before_the_door(version: AgentVersion, at: datetime, number: int) -> tuple[History, _Episode]:
    history = _prepared(version, at, number)
    began = history.clock
    for n_tries in range(1, _SHUT + 1):
        delta = [["set", "/n_tries", n_tries]]
        history.node("login", [_login("wait")], delta=delta, summary=_WAIT["message"])
    text = f"portal.login: {_SHUT} times in a row with the same result"
    return history, _Episode("looping", "login", "repeats portal.login", text, began)


def _login(state: str) -> Act:
    result = _WAIT if state == "wait" else {"state": state, "message": "Welcome."}
    return Act("portal.login", {"user": USER}, result, USER, 45)


def _file(number: int, result: dict[str, Any], **told: Any) -> Act:
    args = {"case": _case(number), "text": "A fence of two metres along the street."}
    return Act("portal.file", args, result, _case(number), 80, effect="write", **told)


def _case(number: int) -> str:
    return f"B-{number:03}"


def _title(number: int) -> str:
    return f"File case {_case(number)}"


def _taken(at: datetime) -> list[dict[str, str]]:
    return [
        {"do": do, "at": (at + timedelta(seconds=later)).isoformat(), "note": ""}
        for do, later in (("notify", 0), ("pause", 5))
    ]


def _record(
    run: Run, episode: _Episode, taken: list[dict[str, str]], resolution: str, by: str, to_at: datetime | None
) -> None:  # fmt: skip
    """Insert the episode as the watch does, and say how it went on."""
    add_episodes([episode.row(run)])
    StuckState.objects.filter(run=run).update(
        opened_at=episode.from_at + timedelta(seconds=4), taken=taken, resolution=resolution, resolved_by=by, to_at=to_at
    )  # fmt: skip


def _decide(actor: Actor) -> None:
    """Put away what somebody has found out about, with what helps."""
    error = normalised("http_503: the portal answered 503 to case 9")
    shared = fingerprint(reason="stuck", name="file", error=error)
    note = "The filing desk is down for its backup from two to three. Retry after that."
    if StuckState.objects.filter(team_id=actor.team_id, fingerprint=shared).exists():
        decide_stuck_kind(actor=actor, fingerprint=shared, state="resolved", note=note)


def _beginning_of_day() -> datetime:
    with connection.cursor() as cursor:
        cursor.execute("SELECT date_trunc('day', clock_timestamp(), 'UTC')")
        found: datetime = cursor.fetchone()[0]
    return found
