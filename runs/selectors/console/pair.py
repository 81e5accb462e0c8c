"""Reading two runs beside each other: their nodes with a mark of what each asked for and of what came of it."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from django.db import connection
from django.db.models import Q

from agentops.accounts.roles import Actor
from runs.checkpoints.lineage import lineage
from runs.models import Branch, Run, Step
from runs.selectors.runs import runs_of

LOOK_NODES = 2_000
LOOKS = 5
# How far behind a node's seq its actions may lie: what conf().node_max_actions allows.
_REACH = 4_000
_ANY = (0, 0, "", "", "")

# Bodies are compared by digests made in the database; the same value is always stored as the same bytes.
_MARKS = """
    SELECT node.seq, count(action.seq), coalesce(sum(action.cost_microusd), 0)::bigint,
           md5(string_agg(action.name || '/' || coalesce(encode(o.request_hash, 'hex'), ''), ',' ORDER BY action.seq)),
           md5(coalesce(string_agg(action.status || '/' || coalesce(o.body_codec || encode(sha256(o.body), 'hex'), ''), ','
                                   ORDER BY action.seq), '') || max(coalesce(c.codec || encode(sha256(c.body), 'hex'), '')))
      FROM unnest(%(seqs)s::bigint[]) AS node(seq)
      LEFT JOIN runs_checkpoint c ON c.run_id = %(run_id)s AND c.seq = node.seq AND c.kind = 'd' AND c.team_id = %(team_id)s
      LEFT JOIN runs_step action ON action.run_id = %(run_id)s AND action.team_id = %(team_id)s
       AND action.parent_seq = node.seq AND action.seq BETWEEN node.seq + 1 AND %(upto)s::bigint AND NOT action.is_superseded
      LEFT JOIN runs_outcome o ON o.run_id = action.run_id AND o.seq = action.seq
     GROUP BY node.seq
"""


@dataclass(frozen=True, slots=True)
class PairNode:
    """A node of one of two runs. Equal `asked` marks: the same calls; equal `got` marks: the same results and changes."""

    seq: int
    name: str
    status: str
    attempts: int
    error_code: str
    summary: str
    started_at: datetime
    ended_at: datetime | None
    n_actions: int
    cost_microusd: int
    asked: str
    got: str

    @property
    def mark(self) -> tuple[str, str, str, str]:
        return self.name, self.status, self.asked, self.got


class PairAction(NamedTuple):
    """An action inside a node, with the hash of its request and a digest of its outcome."""

    seq: int
    parent_seq: int
    name: str
    status: str
    summary: str
    request: str
    outcome: str


def nodes_for(actor: Actor, run: Run, *, after: int, limit: int) -> list[PairNode]:
    """Return the nodes on the run's branch behind the step `after`, in their order."""
    on_branch = lineage(run.pk, run.branch).where("seq") if run.branch > 1 else Q()
    found = Step.objects.filter(
        on_branch, team_id=actor.team_id, run_id=run.pk, depth=0, is_superseded=False, seq__gt=after
    ).order_by("seq")
    steps = list(found[:limit])
    marks = _marks(actor, run, [step.seq for step in steps])
    return [_node(step, *marks.get(step.seq, _ANY)[1:]) for step in steps]


def first_difference(
    actor: Actor, a: Run, b: Run, *, a_after: int, b_after: int
) -> tuple[int, int, int, bool]:
    """Return how many nodes behind the two places are the same, the last of them in either run, and whether all are.

    At most LOOKS × LOOK_NODES nodes are looked at; when those are the same, the places are where looking ended, and the
    runs may go on.
    """
    n = 0
    for _look in range(LOOKS):
        left = nodes_for(actor, a, after=a_after, limit=LOOK_NODES)
        right = nodes_for(actor, b, after=b_after, limit=LOOK_NODES)
        for one, other in zip(left, right, strict=False):
            if one.mark != other.mark:
                return n, a_after, b_after, False
            n, a_after, b_after = n + 1, one.seq, other.seq
        if len(left) < LOOK_NODES or len(right) < LOOK_NODES:
            return n, a_after, b_after, len(left) == len(right)
    return n, a_after, b_after, False


def actions_in(actor: Actor, run: Run, nodes: Collection[int], limit: int) -> dict[int, list[PairAction]]:
    """Return the first `limit` actions of each of the nodes."""
    sql = """
        SELECT s.seq, s.parent_seq, s.name, s.status, s.summary, coalesce(encode(o.request_hash, 'hex'), ''),
               coalesce(encode(sha256(o.body), 'hex'), '')
          FROM unnest(%(seqs)s::bigint[]) AS node(seq) CROSS JOIN LATERAL (
            SELECT * FROM runs_step WHERE run_id = %(run_id)s AND team_id = %(team_id)s AND parent_seq = node.seq
               AND seq BETWEEN node.seq + 1 AND node.seq + %(reach)s::bigint AND NOT is_superseded
             ORDER BY seq LIMIT %(limit)s) AS s
          LEFT JOIN runs_outcome o ON o.run_id = s.run_id AND o.seq = s.seq ORDER BY s.seq"""
    params: dict[str, Any] = {
        "run_id": run.pk, "team_id": actor.team_id, "seqs": list(nodes), "reach": _REACH, "limit": limit,
    }  # fmt: skip
    found: dict[int, list[PairAction]] = {}
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        for row in map(PairAction._make, cursor.fetchall()):
            found.setdefault(row.parent_seq, []).append(row)
    return found


def shared_until(actor: Actor, run: Run, other: Run) -> int:
    """Return the checkpoint of `other` with which `run` began; 0 when it was not forked from it."""
    if run.forked_from_id != other.pk:
        return 0
    found = Branch.objects.filter(team_id=actor.team_id, run_id=run.pk, number=1, from_run_id=other.pk)
    return found.values_list("checkpoint_seq", flat=True).first() or 0


def runs_to_compare(actor: Actor, run: Run, limit: int = 12) -> list[Run]:
    """Return what this run is most likely compared with: its origin, its forks, then other runs of its agent."""
    runs = runs_of(actor).select_related("agent", "agent_version").exclude(pk=run.pk)
    near = list(
        runs.filter(Q(pk=run.forked_from_id) | Q(forked_from_id=run.pk)).order_by("-created_at")[:limit]
    )
    known = {one.pk for one in near}
    others = runs.filter(agent_id=run.agent_id).order_by("-created_at")[: limit + len(near)]
    return [*near, *(one for one in others if one.pk not in known)][:limit]


def run_by_words(actor: Actor, words: str) -> UUID | None:
    """Return the run whose id is written there, alone or in an address; None for anything else."""
    for part in reversed(words.strip().split("/")):
        try:
            return UUID(part)
        except ValueError:
            continue
    return None


def _marks(actor: Actor, run: Run, seqs: Sequence[int]) -> dict[int, tuple[int, int, int, str, str]]:
    if not seqs:
        return {}
    params: dict[str, Any] = {
        "run_id": run.pk,
        "team_id": actor.team_id,
        "seqs": list(seqs),
        "upto": seqs[-1] + _REACH,
    }
    with connection.cursor() as cursor:
        cursor.execute(_MARKS, params)
        return {row[0]: row for row in cursor.fetchall()}


def _node(step: Step, n_actions: int, cost: int, asked: str | None, got: str) -> PairNode:
    return PairNode(
        step.seq, step.name, step.status, step.attempts, step.error_code, step.summary, step.started_at, step.ended_at,
        n_actions, max(step.cost_microusd, cost), asked or "", got,
    )  # fmt: skip
