"""Say how long runs are kept, change it, and take it back."""

from typing import Any
from uuid import UUID

from django.db import IntegrityError as DuplicateError
from django.db.models import F
from django.db.models.functions import Now

from agentops.accounts.roles import Actor, Scope
from agentops.audit.services.record import record
from agentops.common.errors import ConflictError
from agentops.common.transactions import transaction
from agentops.common.types import JsonObject
from runs.engine.retention import ENDS, Rule, misfits
from runs.models import RetentionPolicy
from runs.selectors.agents import agent_for
from runs.selectors.retention import policy_for, rule_of
from runs.services.checks import misfit

SETTINGS = ("archive_days", "delete_days", "prune_days", "keeps_files", "is_on")


def create_retention(*, actor: Actor, agent: str = "", status: str = "", **settings: Any) -> RetentionPolicy:
    """Return the new policy: for the runs of one agent or of all, that ended in one status or in any.

    Args:
        actor: whose team's; needs the scope `admin`.
        agent: slug; empty for all agents.
        status: how the runs ended; empty for all.
        **settings: those of SETTINGS, see RetentionPolicy.

    Raises: NotAllowedError; NotFoundError for the agent; InvalidInputError with pointers; ConflictError when there is one
        for the same runs.
    Transaction: opens one.
    """
    actor.require(Scope.ADMIN)
    policy = draft_of(actor, agent=agent, status=status, **settings)
    try:
        with transaction():
            policy.save(force_insert=True)
            _record(actor, policy, "retention.create", {})
    except DuplicateError as error:
        raise ConflictError("there is a policy for these runs already; change that one") from error
    return policy_for(actor, policy.pk)


def update_retention(
    *, actor: Actor, policy_id: UUID, version: int | None = None, **settings: Any
) -> RetentionPolicy:
    """Return the policy with these of SETTINGS changed; whose runs it is for stays.

    Raises: NotAllowedError; NotFoundError; InvalidInputError; ConflictError when it has another version than was seen.
    Transaction: opens one.
    """
    actor.require(Scope.ADMIN)
    policy = policy_for(actor, policy_id)
    before = _told(policy)
    if version not in (None, policy.version):
        raise changed(policy)
    for name, value in settings.items():
        setattr(policy, name, value)
    check(rule_of(policy))
    with transaction():
        found = RetentionPolicy.objects.filter(pk=policy.pk, version=policy.version)
        is_done = found.update(
            **{name: getattr(policy, name) for name in SETTINGS},
            version=F("version") + 1, updated_by=actor.name[:200], updated_at=Now(),
        )  # fmt: skip
        if is_done:
            _record(actor, policy, "retention.update", before)
    current = policy_for(actor, policy_id)
    if not is_done:
        raise changed(current)
    return current


def remove_retention(*, actor: Actor, policy_id: UUID, version: int | None = None) -> None:
    """Remove the policy; a more general one counts in its place, if there is one.

    Raises: NotAllowedError; NotFoundError; ConflictError when it has another version than was seen. Transaction: opens one.
    """
    actor.require(Scope.ADMIN)
    policy = policy_for(actor, policy_id)
    found = RetentionPolicy.objects.filter(
        pk=policy.pk, version=policy.version if version is None else version
    )
    with transaction():
        is_done = bool(found.delete()[0])
        if is_done:
            told: JsonObject = {"before": _told(policy)}
            record(actor=actor, action="retention.remove", subject=f"retention:{policy.pk}", detail=told)
    if not is_done:
        raise changed(policy_for(actor, policy_id))


def draft_of(actor: Actor, *, agent: str = "", status: str = "", **settings: Any) -> RetentionPolicy:
    """Return a policy as it would be, checked and not saved.

    Raises: NotFoundError for the agent; InvalidInputError with pointers.
    """
    if status and status not in ENDS:
        raise misfit("/status", f"must be one of {', '.join(ENDS)}, or nothing for every end")
    who = actor.name[:200]
    policy = RetentionPolicy(
        team_id=actor.team_id, agent=agent_for(actor, agent) if agent else None, status=status, created_by=who, updated_by=who,
        **{"keeps_files": False, "is_on": True} | settings,
    )  # fmt: skip
    check(rule_of(policy))
    return policy


def check(rule: Rule) -> None:
    """Raises: InvalidInputError with a pointer to the first of the days that do not fit."""
    wrong = misfits(rule.archive_days, rule.delete_days, rule.prune_days, keeps_files=rule.keeps_files)
    for name, problem in wrong.items():
        raise misfit(f"/{name}", problem)


def changed(policy: RetentionPolicy) -> ConflictError:
    """Return the error for a version that has passed; `policy` is as it stands now."""
    return ConflictError(
        f"{policy.updated_by} has changed this policy meanwhile; it has version {policy.version} now. Load it again and repeat "
        "what is still to be changed",
        version=policy.version,
    )


def _record(actor: Actor, policy: RetentionPolicy, action: str, before: JsonObject) -> None:
    told: JsonObject = {"before": before, "after": _told(policy)}
    record(actor=actor, action=action, subject=f"retention:{policy.pk}", detail=told)


def _told(policy: RetentionPolicy) -> JsonObject:
    told: JsonObject = {
        "agent": policy.agent.slug if policy.agent else "",
        "status": policy.status,
        **{name: getattr(policy, name) for name in SETTINGS},
    }
    return told
