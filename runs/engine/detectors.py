"""Detectors: why an open run is stuck, if it is. Each is a pure function of what is seen of the run and of the agent's rule.

Source: DESIGN §4; ADR 0026. What each looks for stands in docs/reference/detectors.md.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import pairwise

from runs.engine.fingerprints import normalised
from runs.engine.sights import Act, Finding, Sight, Slip
from runs.engine.watch_rules import Rule

CALLS = ("tool", "memory", "child_run")
MAX_PERIOD = 4
# Whoever lets so long pass between two calls, without doing anything else, waits for something.
PACED_SECONDS = 5.0

Detector = Callable[[Sight, Mapping[str, float]], Finding | None]


def looping(sight: Sight, limits: Mapping[str, float]) -> Finding | None:
    """The same calls with the same results, over and over, with no pause between them."""
    calls = _calls(sight.acts)
    for period in range(1, MAX_PERIOD + 1):
        times = int(limits["identical"] if period == 1 else limits["cycles"])
        tail = calls[-period * times :]
        if len(tail) == period * times and _repeats(tail, period) and not _is_paced(tail, sight.acts):
            first = _first_of(calls, period)
            n = (len(calls) - first) // period
            return Finding(
                "looping", f"{_names(tail[:period])}: {n} times in a row with the same result", calls[first].began_at,
                name=_place(sight, tail[-1]), error=f"repeats {_names(tail[:period])}", from_seq=calls[first].seq,
            )  # fmt: skip
    return None


def stuck(sight: Sight, limits: Mapping[str, float]) -> Finding | None:
    """The same failure again and again, or a wait whose time is over."""
    return _same_failure(sight, int(limits["failures"])) or _overdue_wait(sight, limits["late_seconds"])


def stalled(sight: Sight, limits: Mapping[str, float]) -> Finding | None:
    """A worker holds the run, but nothing new has come for long."""
    if sight.status != "running" or sight.silent_since is not None:
        return None
    steps = int(limits["steps"])
    calls = _calls(sight.acts)
    seen, last = {act.print for act in calls[:-steps]}, calls[-steps:]
    if len(last) == steps and all(act.print in seen for act in last) and not _is_paced(last, sight.acts):
        text = f"the last {steps} calls brought nothing that had not come before"
        return Finding("stalled", text, last[0].began_at, name=sight.node, from_seq=last[0].seq)
    news = [at for at in (sight.started_at, sight.node_at) if at] + [act.ended_at for act in sight.acts[-1:]]
    if news and _seconds(max(news), sight.now) >= limits["seconds"]:
        text = f"nothing has come from {sight.node} for {_minutes(max(news), sight.now)}"
        return Finding("stalled", text, max(news), name=sight.node)
    return None


def zombie(sight: Sight, limits: Mapping[str, float]) -> Finding | None:
    """The worker that holds the run is dead, and nobody has queued it again."""
    if sight.status != "running" or sight.silent_since is None:
        return None
    if _seconds(sight.silent_since, sight.now) < limits["seconds"]:
        return None
    text = "its worker is gone, and the run was not queued again"
    return Finding("zombie", text, sight.silent_since, name=sight.node)


def orphan(sight: Sight, limits: Mapping[str, float]) -> Finding | None:
    """The run waits for what cannot come."""
    if sight.status not in ("waiting", "awaiting_approval"):
        return None
    late = [wait.child_ended_at for wait in sight.waits if wait.child_ended_at]
    if any(wait.is_lost for wait in sight.waits):
        text = "it waits for the end of a run that is not there"
    elif late and _seconds(min(late), sight.now) >= limits["seconds"]:
        text = "it waits for the end of a run that has ended"
    elif not sight.waits and not sight.n_open_steps and sight.wake_at is None:
        text = "it waits, but for nothing"
    else:
        return None
    return Finding("orphan", text, min(late, default=sight.now), name=sight.node, error=text)


def forgotten(sight: Sight, limits: Mapping[str, float]) -> Finding | None:
    """Nobody has looked at the run, or done anything with it, for days."""
    if sight.status == "paused" or sight.quiet_since is None:
        return None
    since = sight.quiet_since + timedelta(days=limits["days"])
    if sight.now < since:
        return None
    days = (sight.now - sight.quiet_since).days
    return Finding("forgotten", f"nobody has looked at it for {days} days; is it still wanted?", since)


def overdue(sight: Sight, limits: Mapping[str, float]) -> Finding | None:
    """Its deadline has passed, or it takes far longer than its like."""
    if sight.deadline_at and _seconds(sight.deadline_at, sight.now) >= limits["seconds"]:
        return Finding("overdue", "its deadline has passed, and it goes on", sight.deadline_at, sight.node)
    usual = sight.usual
    if sight.status == "paused" or sight.started_at is None or not usual.p95_seconds:
        return None
    most = max(usual.p95_seconds * limits["times"], 600.0)
    if usual.n_runs < limits["runs"] or _seconds(sight.started_at, sight.now) < most:
        return None
    text = f"95 of 100 runs of this agent take less than {_told(usual.p95_seconds)}, this one {limits['times']:g} times that"
    return Finding("overdue", text, sight.started_at + timedelta(seconds=most), name=sight.node)


def burning(sight: Sight, limits: Mapping[str, float]) -> Finding | None:
    """It spends much more a minute than its like."""
    usual = sight.usual.median_microusd_a_minute
    if (
        sight.status == "paused"
        or sight.started_at is None
        or not usual
        or sight.usual.n_runs < limits["runs"]
    ):
        return None
    minutes = max(_seconds(sight.started_at, sight.now) / 60, 1.0)
    rate = sight.cost_microusd / minutes
    if rate < max(usual * limits["times"], limits["least_microusd"]):
        return None
    text = (
        f"it spends ${rate / 1e6:.2f} a minute; half of this agent's runs spend less than ${usual / 1e6:.2f}"
    )
    return Finding("burning", text, sight.now, name=sight.node)


def no_worker(sight: Sight, limits: Mapping[str, float]) -> Finding | None:
    """It is queued where no worker looks."""
    if sight.status != "queued" or sight.has_worker or sight.queued_at is None:
        return None
    if _seconds(sight.queued_at, sight.now) < limits["seconds"]:
        return None
    text = "no worker that is alive serves its queue"
    return Finding("no_worker", text, sight.queued_at, error=text)


def runaway(sight: Sight, limits: Mapping[str, float]) -> Finding | None:
    """The agent starts itself, and those start it again."""
    if sight.n_own_ancestors >= limits["generations"]:
        text = f"the agent started itself {sight.n_own_ancestors} generations deep; each of these runs began the next"
    elif sight.n_own_starts >= limits["starts"]:
        text = f"ends of this agent's runs started it again {sight.n_own_starts} times in ten minutes"
    else:
        return None
    return Finding("runaway", text, sight.created_at, error="the agent starts itself")


DETECTORS: dict[str, Detector] = {
    "looping": looping, "stuck": stuck, "stalled": stalled, "zombie": zombie, "orphan": orphan, "forgotten": forgotten,
    "overdue": overdue, "burning": burning, "no_worker": no_worker, "runaway": runaway,
}  # fmt: skip


def findings(sight: Sight, rules: Mapping[str, Rule]) -> Iterator[Finding]:
    """Yield what is wrong with the run by the rules of its agent; one that loops is not told to stand still, too."""
    is_looping = False
    for reason, detector in DETECTORS.items():
        rule = rules[reason]
        if not rule.is_on or (is_looping and reason == "stalled"):
            continue
        if found := detector(sight, rule.limits):
            is_looping = is_looping or reason == "looping"
            yield found


def _calls(acts: Sequence[Act]) -> list[Act]:
    return [act for act in acts if act.kind in CALLS]


def _repeats(calls: Sequence[Act], period: int) -> bool:
    return all(call.print == other.print for call, other in zip(calls, calls[period:], strict=False))


def _first_of(calls: Sequence[Act], period: int) -> int:
    """Return where the repetition at the end began."""
    first = len(calls) - period
    while first >= 1 and calls[first - 1].print == calls[first - 1 + period].print:
        first -= 1
    return first


def _is_paced(calls: Sequence[Act], acts: Sequence[Act]) -> bool:
    """Return whether the run waited between the calls: then it polls, and costs next to nothing while it does."""
    between = [act for act in acts if calls[0].seq < act.seq < calls[-1].seq]
    if any(act.kind == "wait" for act in between):
        return True
    own = [act for act in acts if calls[0].seq <= act.seq <= calls[-1].seq]
    return any(_seconds(a.ended_at, b.began_at) >= PACED_SECONDS for a, b in pairwise(own))


def _same_failure(sight: Sight, n_least: int) -> Finding | None:
    last = sight.slips[-1] if sight.slips else None
    if last is None:
        return None
    same: list[Slip] = []
    for slip in reversed(sight.slips):
        if (slip.name, _error(slip)) != (last.name, _error(last)):
            break
        same.append(slip)
    first = same[-1]
    is_past = any(
        act.seq >= first.seq and act.name == last.name and act.status == "succeeded" for act in sight.acts
    )
    if len(same) < n_least or is_past:
        return None
    text = f"{last.name} failed {len(same)} times in a row: {last.message}"[:500]
    return Finding(
        "stuck", text, first.at, name=sight.node or last.name, error=_error(last), from_seq=first.seq
    )


def _overdue_wait(sight: Sight, late_seconds: float) -> Finding | None:
    late = [wait for wait in sight.waits if _seconds(wait.timeout_at, sight.now) >= late_seconds]
    if not late or sight.status not in ("waiting", "awaiting_approval"):
        return None
    text = f"its wait for {late[0].kind} should have ended by now"
    return Finding("stuck", text, late[0].timeout_at, name=sight.node, error=f"late wait for {late[0].kind}")


def _error(slip: Slip) -> str:
    return normalised(f"{slip.code}: {slip.message}")


def _place(sight: Sight, call: Act) -> str:
    return sight.node or call.name


def _names(calls: Sequence[Act]) -> str:
    return ", ".join(dict.fromkeys(call.name for call in calls))


def _seconds(since: datetime, until: datetime) -> float:
    return (until - since).total_seconds()


def _minutes(since: datetime, until: datetime) -> str:
    return _told(_seconds(since, until))


def _told(seconds: float) -> str:
    return f"{seconds / 60:,.0f} min" if seconds >= 120 else f"{seconds:.0f} s"
