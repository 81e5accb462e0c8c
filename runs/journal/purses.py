"""The purses that a run draws on, under their locks: what goes is reserved before it and settled with its outcome.

Purses are locked in the order of their ids, before any run row (PROTOCOL 6). A transaction here lasts about a
millisecond, and none is open while a model answers. What was reserved by a worker that died is settled as spent: by the next claim of
the run, or by the clock. Source: PROTOCOL 24; runs.engine.budgets.
"""

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any
from uuid import UUID

import orjson

from agentops.common.ids import new_id
from agentops.common.transactions import transaction
from agentops.common.types import JsonObject
from runs.engine.budgets import (
    Amounts,
    Period,
    Purse,
    Way,
    decide,
    lines_of,
    place_words,
    reserve,
    settle,
    stop_words,
)
from runs.journal.fence import execute, persist, query

KNOWN_FOR_SECONDS = 1.0
LOST_AFTER_SECONDS = 1800.0
LOST_BATCH = 200
RUN_KEY_CHARACTERS = 36

_UP = """
up AS (
    SELECT id, team_id, parent_id, agent_id, 0 AS height FROM runs_run WHERE id = %(run_id)s
    UNION ALL
    SELECT p.id, p.team_id, p.parent_id, p.agent_id, up.height + 1 FROM runs_run p JOIN up ON p.id = up.parent_id)
"""
# Of a run among its own kind the topmost counts: an agent that starts itself opens no budget afresh.
_FOUND = """
found AS MATERIALIZED (
    SELECT b.id AS budget_id, CASE WHEN b.scope = 'each_run'
        THEN (SELECT u.id::text FROM up u WHERE b.agent_id IS NULL OR u.agent_id = b.agent_id ORDER BY u.height DESC LIMIT 1)
        ELSE CASE b.period WHEN 'day' THEN to_char(t.d, 'YYYY-MM-DD') WHEN 'month' THEN to_char(t.d, 'YYYY-MM') ELSE 'forever' END
        END AS key
    FROM (SELECT (clock_timestamp() AT TIME ZONE 'UTC')::date AS d) t, up o JOIN runs_budget b ON b.team_id = o.team_id
    WHERE o.height = 0 AND b.scope IN ('team', 'agent', 'each_run') AND (b.scope = 'team'
        OR b.scope = 'agent' AND b.agent_id = o.agent_id
        OR b.scope = 'each_run' AND (b.agent_id IS NULL OR EXISTS (SELECT 1 FROM up u WHERE u.agent_id = b.agent_id)))
    UNION ALL
    SELECT b.id, b.run_id::text FROM runs_budget b WHERE b.run_id IN (SELECT id FROM up))
"""
_PURSES = f"""
WITH RECURSIVE {_UP}, {_FOUND}
SELECT f.budget_id, f.key, p.id FROM found f LEFT JOIN runs_purse p ON p.budget_id = f.budget_id AND p.key = f.key
"""
# What was spent before the purse stood: of a period as the days tell, of a run as its tree tells.
_OPEN = """
WITH RECURSIVE b AS (SELECT * FROM runs_budget WHERE id = %(budget_id)s),
tree AS (
    SELECT r.id, r.cost_microusd, r.tokens_in + r.tokens_out AS tokens, r.n_steps FROM runs_run r WHERE r.id = %(top_id)s::uuid
    UNION ALL
    SELECT r.id, r.cost_microusd, r.tokens_in + r.tokens_out, r.n_steps FROM runs_run r JOIN tree t ON r.parent_id = t.id),
days AS (
    SELECT coalesce(sum(s.cost_microusd), 0) AS cost, coalesce(sum(s.tokens_in + s.tokens_out), 0) AS tokens
    FROM b JOIN runs_spendday s ON s.team_id = b.team_id AND (b.agent_id IS NULL OR s.agent_id = b.agent_id)
    WHERE b.scope IN ('team', 'agent') AND s.day >= coalesce(%(since)s::date, '-infinity'::date))
INSERT INTO runs_purse (id, team_id, budget_id, key, spent, reserved, raised, until_at)
SELECT %(id)s, b.team_id, b.id, %(key)s::text, jsonb_build_object(
        'cost_microusd', (days.cost + (SELECT coalesce(sum(cost_microusd), 0) FROM tree))::bigint,
        'tokens', (days.tokens + (SELECT coalesce(sum(tokens), 0) FROM tree))::bigint,
        'steps', (SELECT coalesce(sum(n_steps), 0) FROM tree)::bigint), '{}', '{}',
    (%(since)s::date + CASE b.period WHEN 'day' THEN interval '1 day' ELSE interval '1 month' END) AT TIME ZONE 'UTC'
FROM b, days ON CONFLICT DO NOTHING
"""
_COLUMNS = (
    "p.id, b.id, b.scope, b.name, b.period, (p.until_at AT TIME ZONE 'UTC')::date - 1, p.until_at, b.limits::text,"
    " p.spent::text, p.reserved::text, p.raised::text, p.asked_run_id, p.asked_seq, p.question, p.answer, p.key"
)
_READ = f"SELECT {_COLUMNS} FROM runs_purse p JOIN runs_budget b ON b.id = p.budget_id"
_LOCK = " WHERE p.id = ANY(%(ids)s::uuid[]) ORDER BY p.id FOR NO KEY UPDATE OF p"
_LOOK = " WHERE p.id = ANY(%(ids)s::uuid[]) ORDER BY p.id"
_WRITE = (
    "UPDATE runs_purse SET spent = %(spent)s::jsonb, reserved = %(reserved)s::jsonb, raised = %(raised)s::jsonb"
    " WHERE id = %(id)s"
)
_RESERVE = (
    "INSERT INTO runs_reservation (run_id, seq, purse_id, amounts)"
    " SELECT %(run_id)s, %(seq)s, p.id, %(amounts)s::jsonb FROM unnest(%(ids)s::uuid[]) AS p(id)"
)
_RESERVED = "SELECT seq, purse_id, amounts::text FROM runs_reservation WHERE run_id = %(run_id)s AND seq = ANY(%(seqs)s::bigint[])"
_RESERVED_OF_RUN = "SELECT DISTINCT seq FROM runs_reservation WHERE run_id = %(run_id)s"
_FORGET = "DELETE FROM runs_reservation WHERE run_id = %(run_id)s AND seq = ANY(%(seqs)s::bigint[])"
# A call that goes on longer than any model may take, or whose run nobody executes any more.
_LOST = """
SELECT v.run_id, v.seq FROM runs_reservation v LEFT JOIN runs_run r ON r.id = v.run_id
WHERE r.status IS DISTINCT FROM 'running' OR v.created_at < clock_timestamp() - make_interval(secs => %(seconds)s)
ORDER BY v.created_at LIMIT %(limit)s
"""
_UNITS = "SELECT DISTINCT jsonb_object_keys(limits) FROM runs_budget WHERE team_id = %(team_id)s"

_known: dict[UUID, tuple[float, frozenset[str]]] = {}
_known_lock = threading.Lock()


@dataclass(frozen=True, slots=True)
class Held:
    """A purse with what says whose it is; `until` is when its period ends."""

    id: UUID
    budget_id: UUID
    scope: str
    name: str
    period: str
    day: date | None
    until: datetime | None
    purse: Purse
    asked_run_id: UUID | None
    asked_seq: int | None
    question: str
    answer: str
    key: str

    @property
    def place(self) -> str:
        return place_words(self.scope, self.name, self.period, self.day)


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why something may not go: for good (`told` is what the run waits for then), or until others have settled."""

    way: Way
    text: str
    told: JsonObject


def known_units(team_id: UUID) -> frozenset[str]:
    """Return what any budget of the team limits; as it was a second ago at most. Empty where the team keeps none."""
    until, units = _known.get(team_id, (0.0, frozenset[str]()))
    if time.monotonic() < until:
        return units
    rows = persist(lambda: query(_UNITS, {"team_id": team_id}))
    units = frozenset(str(row[0]) for row in rows)
    with _known_lock:
        _known[team_id] = (time.monotonic() + KNOWN_FOR_SECONDS, units)
    return units


def forget_known(team_id: UUID) -> None:
    """Let this process look again, for the team's budgets have changed."""
    with _known_lock:
        _known.pop(team_id, None)


def purse_ids(run_id: UUID) -> list[UUID]:
    """Return the purses that the run draws on: those of its team, agent, itself and the runs above it; opened where new.

    Transaction: none open; a statement or a few.
    """
    rows = query(_PURSES, {"run_id": run_id})
    missing = [row for row in rows if row[2] is None]
    for budget_id, key, _ in missing:
        open_purse(budget_id, str(key))
    if missing:
        rows = query(_PURSES, {"run_id": run_id})
    return [row[2] for row in rows if row[2] is not None]


def open_purse_ids(run_id: UUID) -> list[UUID]:
    """Return those of the purses that the run draws on that are open by now; changes nothing."""
    return [row[2] for row in query(_PURSES, {"run_id": run_id}) if row[2] is not None]


def open_purse(budget_id: UUID, key: str) -> None:
    """Make the purse of a budget's period or tree of runs, with what was spent there already; once."""
    since = {7: f"{key}-01", 10: key}.get(len(key)) if key != Period.FOREVER else None
    top_id = UUID(key) if len(key) == RUN_KEY_CHARACTERS else None
    execute(_OPEN, {"budget_id": budget_id, "key": key, "id": new_id(), "since": since, "top_id": top_id})


def held(ids: Sequence[UUID]) -> list[Held]:
    """Return the purses as they are, not locked."""
    return [_held(row) for row in query(_READ + _LOOK, {"ids": list(ids)})]


def locked(ids: Sequence[UUID]) -> list[Held]:
    """Return the purses, locked until the end of the caller's transaction."""
    return [_held(row) for row in query(_READ + _LOCK, {"ids": list(ids)})]


def reserve_for(run_id: UUID, seq: int, ids: Sequence[UUID], need: Amounts) -> Refusal | None:
    """Reserve `need` for the call `seq` in all of the purses, or in none: then return why.

    What the same call had reserved before is given back first. Transaction: opens one, about a millisecond long.
    """
    with transaction():
        found = _returned(run_id, [seq], locked(ids), {})
        verdict = decide([one.purse for one in found], need)
        if verdict.way is Way.GO:
            for one in found:
                write(one.id, reserve(one.purse, need))
            amounts = orjson.dumps(dict(need)).decode()
            given = {"run_id": run_id, "seq": seq, "ids": [one.id for one in found], "amounts": amounts}
            execute(_RESERVE, given)
            return None
    return refusal(verdict.way, found[verdict.n], verdict.unit, need)


def refusal(way: Way, one: Held, unit: str, need: Amounts) -> Refusal:
    """Return what is told of a purse that has not enough."""
    text = stop_words(one.place, one.purse, unit, need.get(unit, 0))
    if way is Way.WAIT:
        return Refusal(way, f"what is left of {one.place} is reserved by calls that are under way", {})
    told: JsonObject = {
        "kind": "budget", "text": text, "purse": str(one.id), "unit": unit, "needed": need.get(unit, 0),
        "until": one.until.isoformat() if one.until else None,
    }  # fmt: skip
    return Refusal(way, text, told)


def settle_failed(run_id: UUID, seq: int, actual: Amounts | None) -> Amounts:
    """Settle a call that has no outcome: to `actual`, or with None to all that it had reserved; return what was spent.

    Transaction: opens one, about a millisecond long.
    """
    with transaction():
        rows = query(_RESERVED, {"run_id": run_id, "seqs": [seq]})
        _settle(run_id, [seq], actual)
    if not rows:
        return {}
    spent: Amounts = orjson.loads(rows[0][2]) if actual is None else actual
    return spent


class Bill:
    """What a call took, to be settled in the transaction of its outcome: `lock` before the fenced statement, `pay` after it."""

    def __init__(self, run_id: UUID, seq: int, actual: Amounts) -> None:
        self.run_id, self.seq, self.actual = run_id, seq, actual
        self._held: list[Held] = []

    def lock(self) -> None:
        self._held = locked(_purses_of(self.run_id, [self.seq]))

    def pay(self) -> None:
        _returned(self.run_id, [self.seq], self._held, {self.seq: self.actual})


def settle_left(run_id: UUID) -> int:
    """Settle as spent what earlier claims of the run left reserved; return of how many calls. Asked before a slice begins."""
    seqs = [row[0] for row in query(_RESERVED_OF_RUN, {"run_id": run_id})]
    if seqs:
        with transaction():
            _settle(run_id, seqs, None)
    return len(seqs)


def settle_lost() -> int:
    """Settle as spent what calls have reserved that nobody makes any more; return of how many. For the clock."""
    rows = query(_LOST, {"seconds": LOST_AFTER_SECONDS, "limit": LOST_BATCH})
    for run_id, seq in {(row[0], row[1]) for row in rows}:
        with transaction():
            _settle(run_id, [seq], None)
    return len(rows)


def write(purse_id: UUID, purse: Purse) -> None:
    """Store the amounts of a purse that the caller has locked."""
    amounts = {
        name: orjson.dumps(dict(getattr(purse, name))).decode() for name in ("spent", "reserved", "raised")
    }
    execute(_WRITE, {"id": purse_id, **amounts})


def _settle(run_id: UUID, seqs: Sequence[int], actual: Amounts | None) -> None:
    """Settle what calls of the run have reserved: to `actual`, or with None each to what it had reserved."""
    taken = None if actual is None else dict.fromkeys(seqs, actual)
    _returned(run_id, seqs, locked(_purses_of(run_id, seqs)), taken)


def _purses_of(run_id: UUID, seqs: Sequence[int]) -> list[UUID]:
    return [row[1] for row in query(_RESERVED, {"run_id": run_id, "seqs": list(seqs)})]


def _returned(
    run_id: UUID, seqs: Sequence[int], found: list[Held], actual: Mapping[int, Amounts] | None
) -> list[Held]:
    """Return the locked purses after the calls' reservations are settled and gone."""
    rows = query(_RESERVED, {"run_id": run_id, "seqs": list(seqs)})
    if not rows:
        return found
    by_id = {one.id: one for one in found}
    changed: dict[UUID, Purse] = {}
    for seq, purse_id, text in rows:
        amounts = orjson.loads(text)
        took = amounts if actual is None else actual.get(seq, {})
        changed[purse_id] = settle(changed.get(purse_id, by_id[purse_id].purse), amounts, took)
    for purse_id, purse in changed.items():
        write(purse_id, purse)
    execute(_FORGET, {"run_id": run_id, "seqs": list(seqs)})
    return [_with(one, changed[one.id]) if one.id in changed else one for one in found]


def _with(one: Held, purse: Purse) -> Held:
    return replace(one, purse=purse)


def _held(row: tuple[Any, ...]) -> Held:
    limits, spent, reserved, raised = (orjson.loads(text) for text in row[7:11])
    return Held(*[*row[:7], Purse(lines_of(limits), spent, reserved, raised), *row[11:]])
