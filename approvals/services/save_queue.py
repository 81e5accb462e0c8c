"""Make, change and remove queues, and say who is away."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import F
from django.utils.text import slugify

from agentops.accounts.roles import Actor, Scope
from agentops.audit.services.record import record
from agentops.common.errors import ConflictError, NotFoundError
from agentops.common.transactions import transaction
from approvals.engine.words import KINDS
from approvals.models import Absence, Queue, QueueMember, Rule
from approvals.selectors.people import reviewers_of
from runs.services.checks import check_text, misfit


@dataclass(frozen=True, slots=True)
class QueueSpec:
    """A queue as somebody writes it; `members` are user names."""

    name: str
    members: Sequence[str] = ()
    agents: Sequence[str] = ()
    actions: Sequence[str] = ()
    kinds: Sequence[str] = ()
    claim_seconds: int = 900
    position: int = 100
    slug: str = field(default="")


def save_queue(*, actor: Actor, spec: QueueSpec, slug: str = "") -> Queue:
    """Return the queue, new or (of this `slug`) changed; what comes from now on goes by it.

    Raises: NotAllowedError; NotFoundError; InvalidInputError with pointers; ConflictError when the name is taken.
    Transaction: opens one.
    """
    actor.require(Scope.ADMIN)
    user_ids = _checked(actor, spec)
    columns: dict[str, Any] = {
        "name": spec.name, "agents": list(spec.agents), "actions": list(spec.actions), "kinds": list(spec.kinds),
        "claim_seconds": spec.claim_seconds, "position": spec.position,
    }  # fmt: skip
    with transaction():
        if slug:
            _check_quorums(actor, slug, len(user_ids))
            if not Queue.objects.filter(team_id=actor.team_id, slug=slug).update(
                **columns, version=F("version") + 1
            ):
                raise NotFoundError(f"there is no queue {slug!r}")
        else:
            slug = spec.slug or slugify(spec.name)[:60]
            if not slug or Queue.objects.filter(team_id=actor.team_id, slug=slug).exists():
                raise ConflictError(f"there is a queue {slug!r} already, or its name has no letters")
            Queue.objects.create(team_id=actor.team_id, slug=slug, **columns)
        found = Queue.objects.get(team_id=actor.team_id, slug=slug)
        QueueMember.objects.filter(queue=found).delete()
        QueueMember.objects.bulk_create([QueueMember(queue=found, user_id=user_id) for user_id in user_ids])
        record(actor=actor, action="queue.save", subject=f"queue:{slug}", detail=columns | {"members": list(spec.members)})  # fmt: skip
    return found


def delete_queue(*, actor: Actor, slug: str) -> None:
    """Remove the queue; what is open in it stands with the whole team from then on.

    Raises: NotAllowedError; NotFoundError; ConflictError naming the rules that go by it. Transaction: opens one.
    """
    actor.require(Scope.ADMIN)
    with transaction():
        found = Queue.objects.filter(team_id=actor.team_id, slug=slug).first()
        if found is None:
            raise NotFoundError(f"there is no queue {slug!r}")
        used = [rule.name for rule in _rules_of(actor, slug)]
        if used:
            raise ConflictError(f"rules go by this queue: {', '.join(used)}; change them first")
        record(actor=actor, action="queue.delete", subject=f"queue:{slug}", detail={"name": found.name})
        found.delete()


def set_absence(*, actor: Actor, delegate: str, starts_at: datetime, ends_at: datetime) -> Absence:
    """Return the actor's absence, in which `delegate` has their vote; one that overlaps is replaced.

    Raises: NotAllowedError; InvalidInputError. Transaction: opens one.
    """
    actor.require(Scope.REVIEW)
    people = {
        one.user.username: one.user_id for one in reviewers_of(actor.team_id) if one.user_id != actor.user_id
    }
    if actor.user_id is None or delegate not in people:
        raise misfit(
            "/delegate", f"must be somebody else who may review: {', '.join(people) or 'nobody yet'}"
        )
    if ends_at <= starts_at:
        raise misfit("/ends_at", "must be later than the beginning")
    with transaction():
        Absence.objects.filter(
            team_id=actor.team_id, user_id=actor.user_id, starts_at__lt=ends_at, ends_at__gt=starts_at
        ).delete()
        made = Absence.objects.create(
            team_id=actor.team_id, user_id=actor.user_id, delegate_id=people[delegate], starts_at=starts_at, ends_at=ends_at
        )  # fmt: skip
        record(actor=actor, action="absence.set", subject=f"user:{actor.user_id}",
               detail={"delegate": delegate, "from": starts_at.isoformat(), "to": ends_at.isoformat()})  # fmt: skip
    return made


def end_absence(*, actor: Actor, absence_id: UUID) -> None:
    """Take the actor's absence back. Raises: NotFoundError. Transaction: opens one."""
    with transaction():
        own = Absence.objects.filter(pk=absence_id, team_id=actor.team_id, user_id__in=[actor.user_id])
        if not own.delete()[0]:
            raise NotFoundError("you have no such absence")
        record(actor=actor, action="absence.end", subject=f"user:{actor.user_id}", detail={})


def _checked(actor: Actor, spec: QueueSpec) -> list[int]:
    """Return the ids of the members. Raises: InvalidInputError."""
    check_text("/name", spec.name, 100)
    for name, patterns in (("agents", spec.agents), ("actions", spec.actions)):
        for n, pattern in enumerate(patterns):
            check_text(f"/{name}/{n}", pattern, 200)
    _check_settings(spec)
    people = {one.user.username: one.user_id for one in reviewers_of(actor.team_id)}
    for n, member in enumerate(spec.members):
        if member not in people:
            raise misfit(f"/members/{n}", f"{member!r} may not review; those who may: {', '.join(people)}")
    if not spec.members:
        raise misfit("/members", "needs somebody who may review")
    return [people[member] for member in dict.fromkeys(spec.members)]


def _check_settings(spec: QueueSpec) -> None:
    for n, kind in enumerate(spec.kinds):
        if kind not in KINDS:
            raise misfit(f"/kinds/{n}", f"must be one of {', '.join(KINDS)}")
    if not 60 <= spec.claim_seconds <= 86_400:
        raise misfit("/claim_seconds", "must be from 60 to 86400")


def _check_quorums(actor: Actor, slug: str, n_members: int) -> None:
    """Refuse to leave fewer members than a rule wants approvals of."""
    for rule in _rules_of(actor, slug):
        for stage in rule.stages:
            if stage["queue"] == slug and stage["quantifier"] == "k_of_n" and stage["k"] > n_members:
                raise misfit("/members", f"the rule {rule.name!r} needs {stage['k']} of them")


def _rules_of(actor: Actor, slug: str) -> list[Rule]:
    rules = Rule.objects.filter(team_id=actor.team_id)
    return [rule for rule in rules if any(stage["queue"] == slug for stage in rule.stages)]
