"""Recover a run whose node has failed for good: take the next rung of its agent's recovery policy, or let it fail.

The rung is one transaction: the failed node's row, the branch that begins with what the rung sets, and the run, queued or
asleep before it. A crash leaves all of it or nothing, so that no rung is taken twice and none is passed over.
Source: PROTOCOL 14; ADR 0017.
"""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.db.models import Q

from agentops.common.transactions import after_commit, transaction
from agentops.common.types import JsonObject
from runs import dispatch
from runs.checkpoints.lineage import lineage
from runs.engine.errors import ActionFailedError, ProgramError
from runs.engine.failures import Failure, World
from runs.engine.recovery import Decision, Policy, Rule, Taken, decide, in_force
from runs.engine.strategy import PLAIN, Strategy
from runs.journal.fence import Lease, persist
from runs.journal.left_nodes import leave_node
from runs.journal.nodes import Position
from runs.journal.pending import Pending
from runs.models import Branch, Run, Step
from runs.selectors.points import Point, beginning_of
from runs.services.begin_branch import begin_branch
from runs.services.cached_reads import kept_answer
from runs.services.healing_shell import HealingShell
from runs.tools.registry import get_tool

HEAL = "heal"
BY = "the recovery policy"


def strategy_at(run_id: UUID, at: Position) -> Strategy:
    """Return what is in force for the node at hand: nothing, unless healing tries it again and it has not succeeded yet."""
    branch = Branch.objects.filter(run_id=run_id, number=at.branch, cause=HEAL).first()
    if branch is None:
        return PLAIN
    failed = _decision_of(branch)["node"]
    healed = Q(branch=at.branch, depth=0, name=failed, status="succeeded")
    if at.node_seq != branch.first_seq and Step.objects.filter(healed, run_id=run_id).exists():
        return PLAIN
    same = [
        row
        for row in _heals(run_id)
        if row.number < branch.number and _is_at(row, branch) and _node_of(row) == failed
    ]
    return in_force([*map(_decision_of, same), _decision_of(branch)])


def tried_before(run_id: UUID, at: Position) -> list[str]:
    """Return the rungs that were taken at this place, in words."""
    return [row.reason for row in _heals(run_id) if _stands_at(row, at)]


def failure_of(error: BaseException, document: JsonObject, shell: HealingShell) -> Failure:
    """Return what the policy is asked about."""
    node, code, message = (str(document[key]) for key in ("node", "code", "message"))
    requests = shell.failed.get(error.name, []) if isinstance(error, ActionFailedError) else []
    if not isinstance(error, ActionFailedError) or not requests:
        return Failure(node, code, message)
    try:
        spec = get_tool(error.name)
    except ProgramError:
        return Failure(node, code, message)
    seconds = shell.strategy.timeouts.get(spec.name, spec.timeout_seconds)
    return Failure(
        node, code, message, spec.name, spec.effect.value, seconds, tuple(it.hex() for it in requests)
    )


def next_rung(lease: Lease, at: Position, policy: Policy, failure: Failure) -> Decision | None:
    """Return the rung to take, or None. Nothing is written."""
    number = policy.rule_for(failure)
    if number is None:
        return None
    rows = _heals(lease.run_id)
    history = [
        Taken(told["rule"], told["rung"], told["node"], _stands_at(row, at), tuple(told["requests"]))
        for row in rows
        for told in [_decision_of(row)]
    ]
    kept = _kept(lease, policy.rules[number], failure)
    decision = decide(policy, failure, history, _world(lease.run_id, at, policy.rules[number], kept))
    if decision is not None and decision.do == "cached_read":
        decision.sets["cached"] = {request: [str(run_id), seq] for request, (run_id, seq, _) in kept.items()}
    return decision


def take_rung(
    lease: Lease,
    at: Position,
    decision: Decision,
    failure: Failure,
    error: JsonObject,
    *,
    n_actions: int,
    pending: Pending,
) -> None:
    """Let the run go on from the rung's place, on a new branch. It stops for a person who has asked for that meanwhile.

    Raises: LeaseLost; IntegrityError. Transaction: opens one.
    """

    def take() -> None:
        with transaction():
            control = leave_node(lease, at, error, n_actions=n_actions, pending=pending)
            run = Run.objects.get(pk=lease.run_id)
            wait_seconds = 0.0 if control else decision.wait_seconds
            begin_branch(
                run, _point(run, decision), cause="heal", by=BY, reason=decision.text,
                changes={HEAL: _told(decision, failure, at)}, wait_seconds=wait_seconds,
            )  # fmt: skip
            after_commit(lambda: dispatch.poke(run.queue))

    persist(take)
    pending.clear()


def kept_tools(policy: Policy) -> tuple[frozenset[str], bool]:
    """Return the tools whose answers are kept for a rung `cached_read`, and whether it is all of them."""
    rules = [rule for rule in policy.rules if any(rung.do == "cached_read" for rung in rule.rungs)]
    return frozenset(rule.tool for rule in rules if rule.tool), any(not rule.tool for rule in rules)


def _heals(run_id: UUID) -> Sequence[Branch]:
    """Return the branches that healing began since a person last sent the run another way, first to last."""
    rows = list(Branch.objects.filter(run_id=run_id).order_by("number"))
    since = max((n for n, row in enumerate(rows) if row.cause != HEAL), default=-1)
    return rows[since + 1 :]


def _decision_of(branch: Branch) -> dict[str, Any]:
    told: dict[str, Any] = (branch.changes or {})[HEAL]
    return told


def _node_of(branch: Branch) -> str:
    return str(_decision_of(branch)["node"])


def _is_at(row: Branch, other: Branch) -> bool:
    return (row.checkpoint_seq, bytes(row.from_hash)) == (other.checkpoint_seq, bytes(other.from_hash))


def _stands_at(row: Branch, at: Position) -> bool:
    return (row.checkpoint_seq, bytes(row.from_hash)) == (at.head_seq, bytes(at.head_hash))


def _kept(lease: Lease, rule: Rule, failure: Failure) -> dict[str, tuple[UUID, int, float]]:
    """Return the answers that are kept to the requests that failed; empty where one is missing."""
    if failure.effect != "read" or not any(rung.do == "cached_read" for rung in rule.rungs):
        return {}
    found = {request: kept_answer(lease.team_id, bytes.fromhex(request)) for request in failure.requests}
    kept = {request: answer for request, answer in found.items() if answer is not None}
    return kept if len(kept) == len(found) else {}


def _world(run_id: UUID, at: Position, rule: Rule, kept: dict[str, tuple[UUID, int, float]]) -> World:
    others = {str(rung.params["tool"]) for rung in rule.rungs if rung.do == "other_tool"}
    effects = {name: effect for name in others if (effect := _effect_of(name))}
    visited: frozenset[str] = frozenset()
    if any(rung.from_node for rung in rule.rungs):
        been = Step.objects.filter(
            lineage(run_id, at.branch).where("seq"), run_id=run_id, depth=0, status="succeeded"
        )
        visited = frozenset(been.values_list("name", flat=True).distinct())
    return World(effects, visited, max((age for _, _, age in kept.values()), default=None))


def _effect_of(tool: str) -> str:
    try:
        return get_tool(tool).effect.value
    except ProgramError:
        return ""


def _point(run: Run, decision: Decision) -> Point:
    node_seq = run.node_seq
    if decision.from_node:
        been = Step.objects.filter(
            lineage(run.pk, run.branch).where("seq"), run_id=run.pk, depth=0, status="succeeded"
        )
        node_seq = been.filter(name=decision.from_node).order_by("-seq").values_list("seq", flat=True)[0]
    point = beginning_of(run, node_seq)
    return point.going_to(decision.to_node) if decision.to_node else point


def _told(decision: Decision, failure: Failure, at: Position) -> JsonObject:
    """Return what the branch keeps of the decision."""
    return {
        "rule": decision.rule, "rung": decision.rung, "n": decision.n, "of": decision.of, "do": decision.do, "node": failure.node,
        "seq": at.node_seq, "code": failure.code, "tool": failure.tool, "requests": list(failure.requests), "sets": decision.sets, "passed": list(decision.passed),
        "wait_seconds": decision.wait_seconds,
    }  # fmt: skip
