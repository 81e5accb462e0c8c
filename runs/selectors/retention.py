"""Reading how long runs are kept: policies, what is due by them now, holds, sizes, and the work on it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import F, QuerySet
from django.db.models.functions import Now

from agentops.accounts.roles import Actor, Scope
from agentops.common.errors import NotFoundError
from runs.archives.needs import is_needed
from runs.engine.retention import Act, Due, Rule, dues
from runs.models import Agent, RetentionJob, RetentionPolicy, RunHold
from runs.selectors.paging import DEFAULT_LIMIT, MAX_LIMIT, Page, decode_cursor, instant, page_of

_DUE = """
FROM unnest(%(rules)s::int[], %(agents)s::uuid[], %(statuses)s::text[], %(archived)s::bool[], %(acts)s::text[],
    %(after)s::int[], %(before)s::int[]) AS d(rule, agent_id, status, is_archived, act, after_days, before_days)
JOIN runs_run r ON r.agent_id = d.agent_id AND r.status = d.status AND (r.archived_at IS NOT NULL) = d.is_archived
    AND r.ended_at <= clock_timestamp() - d.after_days * interval '1 day'
    AND (d.before_days IS NULL OR r.ended_at > clock_timestamp() - d.before_days * interval '1 day')
WHERE r.team_id = %(team_id)s AND r.created_at < clock_timestamp() - %(min_days)s * interval '1 day'
"""
_RUNS = f"""
SELECT r.id, r.created_at, d.act, d.rule, {{needed}} AS is_kept {_DUE}
    AND (r.created_at, r.id) > (%(walked_at)s::timestamptz, %(walked_id)s::uuid)
ORDER BY r.created_at, r.id LIMIT %(limit)s
"""
_SUMS = f"""
SELECT q.rule, q.act, count(*) FILTER (WHERE NOT q.is_kept), count(*) FILTER (WHERE q.is_kept),
    coalesce(sum(q.row_bytes) FILTER (WHERE NOT q.is_kept), 0)::bigint,
    coalesce(sum(q.file_bytes) FILTER (WHERE NOT q.is_kept), 0)::bigint,
    count(*) FILTER (WHERE NOT q.is_kept AND q.row_bytes IS NULL AND q.file_bytes IS NULL)
FROM (
    SELECT d.rule, d.act, {{needed}} AS is_kept, a.file_bytes,
        s.step_bytes + s.outcome_bytes + s.checkpoint_bytes + s.other_bytes AS row_bytes
    {
    _DUE.replace(
        "WHERE",
        '''LEFT JOIN runs_runsize s ON s.run_id = r.id AND s.ended_at = r.ended_at AND NOT d.is_archived
    LEFT JOIN runs_archive a ON a.run_id = r.id AND a.restored_at IS NULL AND d.is_archived
    WHERE''',
        1,
    )
}) q GROUP BY 1, 2
"""  # noqa: S608 -- constants


@dataclass(frozen=True, slots=True)
class DueRun:
    """A run for which something is due. `is_kept`: something needs it, so it stays for now."""

    run_id: UUID
    created_at: datetime
    act: Act
    rule: Rule
    is_kept: bool


@dataclass(frozen=True, slots=True)
class DueSum:
    """What one policy would do now: to `n_runs`, whose rows take `row_bytes` and whose archives take `file_bytes`.

    `n_kept` more are due and stay, because something needs them. `n_unmeasured` of the runs are in no count of bytes yet.
    """

    rule: Rule
    act: Act
    n_runs: int
    n_kept: int
    row_bytes: int
    file_bytes: int
    n_unmeasured: int


def policies_for(actor: Actor) -> QuerySet[RetentionPolicy]:
    """Return the team's policies, the most general one first. Raises: NotAllowedError."""
    actor.require(Scope.READ)
    found = (
        RetentionPolicy.objects.filter(team_id=actor.team_id).select_related("agent").annotate(now_at=Now())
    )
    return found.order_by(F("agent__slug").asc(nulls_first=True), "status")


def policy_for(actor: Actor, policy_id: UUID) -> RetentionPolicy:
    """Return one policy of the team. Raises: NotFoundError."""
    found = policies_for(actor).filter(pk=policy_id).first()
    if found is None:
        raise NotFoundError(f"there is no retention policy {policy_id}", policy_id=str(policy_id))
    return found


def rule_of(policy: RetentionPolicy) -> Rule:
    return Rule(
        policy.pk, policy.agent_id, policy.status, policy.archive_days, policy.delete_days, policy.prune_days,
        keeps_files=policy.keeps_files, is_on=policy.is_on,
    )  # fmt: skip


def rules_of(team_id: UUID) -> list[Rule]:
    """Return the policies of a team as the engine knows them."""
    return [rule_of(policy) for policy in RetentionPolicy.objects.filter(team_id=team_id)]


def due_sums_for(actor: Actor, *, instead: Rule | None = None, without: UUID | None = None) -> list[DueSum]:
    """Return what the policies would do now, each act of each apart.

    Args:
        actor: whose team's.
        instead: a policy as it would be; it takes the place of the one with its id, or of its agent and status.
        without: leave this policy out.

    Raises: NotAllowedError
    """
    actor.require(Scope.READ)
    return due_sums(actor.team_id, rules_instead(actor.team_id, instead=instead, without=without))


def rules_instead(team_id: UUID, *, instead: Rule | None, without: UUID | None = None) -> list[Rule]:
    """Return the policies of a team with one in the place of another, or without one."""
    rules = [rule for rule in rules_of(team_id) if rule.id != without]
    if instead is None:
        return rules
    place = (instead.agent_id, instead.status)
    return [r for r in rules if r.id != instead.id and (r.agent_id, r.status) != place] + [instead]


def due_sums(team_id: UUID, rules: Sequence[Rule]) -> list[DueSum]:
    """Return what the rules would do now to the runs of a team."""
    params, acting = _params(team_id, rules)
    if params is None:
        return []
    with connection.cursor() as cursor:
        cursor.execute(_SUMS.format(needed=is_needed()), params)
        found = [DueSum(acting[rule], Act(act), *counts) for rule, act, *counts in cursor.fetchall()]
    return sorted(found, key=lambda one: (str(one.rule.id), one.act))


def due_runs(
    team_id: UUID, rules: Sequence[Rule], *, behind: tuple[datetime, UUID] | None, limit: int
) -> list[DueRun]:
    """Return the next runs of a team for which something is due, the oldest first."""
    params, acting = _params(team_id, rules)
    if params is None:
        return []
    walked_at, walked_id = behind or ("-infinity", UUID(int=0))
    params |= {"walked_at": walked_at, "walked_id": walked_id, "limit": limit}
    with connection.cursor() as cursor:
        cursor.execute(_RUNS.format(needed=is_needed()), params)
        return [
            DueRun(run_id, at, Act(act), acting[rule], kept)
            for run_id, at, act, rule, kept in cursor.fetchall()
        ]


def _params(team_id: UUID, rules: Sequence[Rule]) -> tuple[dict[str, Any] | None, list[Rule]]:
    """Return what the statements bind, None when nothing can be due, and the rules by their number in there."""
    agent_ids = Agent.objects.filter(team_id=team_id).values_list("id", flat=True)
    found: list[Due] = list(dues(rules, agent_ids)) if rules else []
    if not found:
        return None, []
    acting = list(dict.fromkeys(due.rule for due in found))
    places = {rule: place for place, rule in enumerate(acting)}
    return {
        "team_id": team_id, "min_days": min(due.after_days for due in found), "rules": [places[due.rule] for due in found],
        "agents": [due.agent_id for due in found], "statuses": [due.status for due in found],
        "archived": [due.is_archived for due in found], "acts": [str(due.act) for due in found],
        "after": [due.after_days for due in found], "before": [due.before_days for due in found],
    }, acting  # fmt: skip


def holds_for(actor: Actor, run_id: UUID) -> list[RunHold]:
    """Return why the run is kept now, whatever a policy says. Raises: NotAllowedError."""
    actor.require(Scope.READ)
    found = RunHold.objects.filter(team_id=actor.team_id, run_id=run_id).exclude(until_at__lte=Now())
    return list(found.order_by("kind"))


def jobs_for(actor: Actor, *, cursor: str = "", limit: int = DEFAULT_LIMIT) -> Page[RetentionJob]:
    """Return a page of the team's works of retention, the newest first. Raises: NotAllowedError; BadQueryError."""
    actor.require(Scope.READ)
    found = RetentionJob.objects.filter(team_id=actor.team_id).annotate(now_at=Now())
    if cursor:
        created_at, _ = decode_cursor(cursor, instant, UUID)
        found = found.filter(created_at__lt=created_at)
    limit = max(1, min(limit, MAX_LIMIT))
    rows = list(found.order_by("-created_at", "-id")[: limit + 1])
    return page_of(rows, limit, lambda job: (job.created_at.isoformat(), job.id))


def job_for(actor: Actor, job_id: UUID) -> RetentionJob:
    """Return one work of retention. Raises: NotFoundError."""
    actor.require(Scope.READ)
    found = RetentionJob.objects.filter(team_id=actor.team_id, pk=job_id).annotate(now_at=Now()).first()
    if found is None:
        raise NotFoundError(f"there is no work of retention {job_id}", job_id=str(job_id))
    return found
