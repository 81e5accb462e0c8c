"""Who may decide, as things are now: members of queues, reviewers of the team, and those who stand in for them."""

from collections import defaultdict
from collections.abc import Iterable
from uuid import UUID

from django.db.models.functions import Now

from agentops.accounts.models import Membership, User
from agentops.accounts.roles import ROLE_SCOPES, Role, Scope
from approvals.engine.stages import NOBODY, Room, Stage, stages_of
from approvals.models import Absence, Decision, QueueMember, Request

_REVIEWERS = [role.value for role in Role if Scope.REVIEW in ROLE_SCOPES[role]]
_OPERATORS = [role.value for role in Role if Scope.RUN in ROLE_SCOPES[role]]


def room_of(request: Request, stage: int | None = None) -> Room:
    """Return the people and votes of a stage of the request; of the one that is open unless told otherwise."""
    number = request.stage if stage is None else stage
    found = stages_of(request.stages)[number]
    votes = [vote for vote in _votes(request) if vote.digest_seen == request.args_digest]
    return Room(
        seats=seats_of(request.team_id, found, kind=request.kind),
        initiator_id=request.initiator_id,
        stand_ins=_stand_ins(request),
        voted=frozenset((_id(v.user_id), _id(v.on_behalf_of_id or v.user_id)) for v in votes if v.stage == number),
        voted_earlier=frozenset(_id(v.user_id) for v in votes if v.stage < number),
    )  # fmt: skip


def seats_of(team_id: UUID, stage: Stage, *, kind: str = "approve") -> frozenset[int]:
    """Return the ids of those who may vote at the stage; NOBODY's among them where programs may."""
    is_open = not (stage.people_only or stage.queue)
    roles = {*_REVIEWERS, *(_OPERATORS if is_open and kind in ("permission", "unknown") else ())}
    members = Membership.objects.filter(team_id=team_id, role__in=roles, user__is_active=True)
    if stage.queue:
        of_queue = QueueMember.objects.filter(queue__team_id=team_id, queue__slug=stage.queue)
        members = members.filter(user_id__in=of_queue.values("user_id"))
    found = set(members.values_list("user_id", flat=True))
    return frozenset(found | {NOBODY}) if is_open else frozenset(found)


def reviewers_of(team_id: UUID) -> list[Membership]:
    """Return those of the team who may review, by name."""
    found = Membership.objects.filter(team_id=team_id, role__in=_REVIEWERS, user__is_active=True)
    return list(found.select_related("user").order_by("user__username"))


def absent_ids(team_id: UUID, user_id: int) -> list[int]:
    """Return for whom the person stands in now."""
    found = Absence.objects.filter(
        team_id=team_id, delegate_id=user_id, starts_at__lte=Now(), ends_at__gt=Now()
    )
    return list(found.values_list("user_id", flat=True))


def names_of(user_ids: Iterable[int]) -> dict[int, str]:
    """Return the user names of those who stand on a request that was read for the actor."""
    wanted = set(user_ids) - {NOBODY}
    return dict(User.objects.filter(pk__in=wanted).values_list("pk", "username")) if wanted else {}


def _votes(request: Request) -> Iterable[Decision]:
    return Decision.objects.filter(request=request, type__in=("approve", "edit"), void_reason="")


def _stand_ins(request: Request) -> dict[int, frozenset[int]]:
    found: dict[int, set[int]] = defaultdict(set)
    away = Absence.objects.filter(team_id=request.team_id, starts_at__lte=Now(), ends_at__gt=Now())
    for user_id, delegate_id in away.values_list("user_id", "delegate_id"):
        found[delegate_id].add(user_id)
    for given in request.delegations:
        found[given["to"]].add(given["from"])
    return {delegate: frozenset(users) for delegate, users in found.items()}


def _id(user_id: int | None) -> int:
    return NOBODY if user_id is None else user_id
