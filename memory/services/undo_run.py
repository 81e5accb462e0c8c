"""Take back everything that a run wrote into memory."""

from dataclasses import dataclass
from uuid import UUID

from agentops.accounts.roles import Actor, Scope
from agentops.accounts.signals import sensitive_action
from agentops.common.transactions import transaction
from memory.engine.kinds import ItemStatus
from memory.models import Item, Revision
from memory.selectors.items import written_by_run
from memory.services.revising import Content, Origin, revise


@dataclass(frozen=True, slots=True)
class Undone:
    """What became of the items that the run wrote: taken back, or kept since somebody else has written there later."""

    reverted: list[Item]
    kept: list[Item]


def undo_run(*, actor: Actor, run_id: UUID, reason: str = "") -> Undone:
    """Return what was taken back: each item is again what it was before the run wrote, or forgotten if it was not.

    An item that somebody else has changed since is kept as it is, and named. A second call finds nothing more to do.

    Raises: NotAllowedError. Locks: the item rows, in the order of their ids. Transaction: opens one.
    """
    actor.require(Scope.RUN)
    ids = sorted(item.pk for item in written_by_run(actor, run_id))
    reverted: list[Item] = []
    kept: list[Item] = []
    with transaction():
        for item in (
            Item.objects.select_for_update(of=("self",)).defer("words").filter(pk__in=ids).order_by("pk")
        ):
            (
                reverted
                if _revert(item, run_id, Origin.of(actor, reason or f"undo of run {run_id}"))
                else kept
            ).append(item)
        sensitive_action.send(
            Item, actor=actor, action="memory.undo_run", subject=f"run:{run_id}",
            detail={"reverted": len(reverted), "kept": len(kept)},
        )  # fmt: skip
    return Undone(reverted, kept)


def _revert(item: Item, run_id: UUID, origin: Origin) -> bool:
    if item.run_id != run_id:
        return False
    before = Revision.objects.filter(item=item).exclude(run_id=run_id).order_by("-version").first()
    content = Content.of(before) if before else Content.of(item).but(status=ItemStatus.FORGOTTEN)
    revise(item, content, origin)
    return True
