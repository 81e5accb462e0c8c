"""Places of a run from which it can go on another time, and what was done behind them."""

from dataclasses import dataclass, replace

from agentops.common.errors import ConflictError, InvalidInputError, NotFoundError
from runs.checkpoints.chain import IntegrityError
from runs.checkpoints.lineage import Lineage, lineage
from runs.engine.states import TERMINAL, RunStatus
from runs.models import Branch, Checkpoint, Run, Step

BEHIND = 1 << 40


@dataclass(frozen=True, slots=True)
class Point:
    """Where a fork or a rewound run begins.

    It has the state of the checkpoint `checkpoint_seq` (0: the input), and goes on with `node`: at its beginning, or
    (`ordinal` > 0) inside it at that action, those before it being kept. `node_seq` is that node's step, None when the
    run has not come so far. `lineage` is the branch along which the run went on from here.
    """

    seq: int
    checkpoint_seq: int
    node: str
    node_seq: int | None
    ordinal: int
    lineage: Lineage

    @property
    def position(self) -> tuple[int, int]:
        """Return what points of one run are ordered by: (node, place in it)."""
        return (self.node_seq or 0, self.ordinal) if self.ordinal else (self.checkpoint_seq, BEHIND)

    def at_node(self) -> "Point":
        """Return the beginning of the node."""
        return replace(self, ordinal=0)

    def going_to(self, node: str) -> "Point":
        """Return the same place, from which the run goes on with another node."""
        return replace(self, node=node)

    def is_before(self, step: Step) -> bool:
        """Return whether the action was done on the way to this place."""
        return self.lineage.holds(step.branch, step.parent_seq) and not self.is_behind(step)

    def is_behind(self, step: Step) -> bool:
        """Return whether the action was done behind this place, on the branch that went on from here."""
        if not self.lineage.holds(step.branch, step.parent_seq):
            return False
        place = (step.parent_seq, step.ordinal or 0)
        return place >= (self.node_seq or 0, self.ordinal) if self.ordinal else place[0] > self.checkpoint_seq


def point_at(run: Run, seq: int) -> Point:
    """Return the place that `seq` means.

    A checkpoint means the state after it, 0 the input, a node that left no checkpoint its beginning, and an action the
    moment before it.

    Raises:
        NotFoundError: there is no such step, with the nearest checkpoint before it in `data["nearest"]`.
        ConflictError: the step has not ended yet, with `nearest`.
        InvalidInputError: the run ended with this step, so nothing comes after it.
        IntegrityError: its checkpoint is gone.
    """
    if not seq:
        return _behind(run, 0, 1)
    step = Step.objects.filter(run_id=run.pk, seq=seq).first()
    if step is None:
        raise _not_there(run, seq)
    if step.depth:
        return _at_action(run, step)
    if Checkpoint.objects.filter(run_id=run.pk, seq=seq, kind="d").exists():
        return _behind(run, seq, step.branch)
    if step.status == "succeeded":
        raise IntegrityError(run.pk, seq, "the checkpoint", _nearest(run, seq))
    return _inside(run, seq, seq, step.branch, 0)


def beginning_of(run: Run, node_seq: int) -> Point:
    """Return the beginning of a node of the run's own branch; of the one that runs, too.

    Raises: IntegrityError: the checkpoint before it is gone.
    """
    return _inside(run, node_seq, node_seq, run.branch, 0)


def actions_behind(run: Run, point: Point, *, kinds: tuple[str, ...] = ("tool",)) -> list[Step]:
    """Return the actions that were done behind the point, in their order; those that a retry replaced are left out."""
    found = Step.objects.filter(
        run_id=run.pk, depth=1, is_superseded=False, kind__in=kinds, parent_seq__gte=point.node_seq or 0
    )
    found = found.filter(seq__gt=point.checkpoint_seq)
    return [step for step in found.order_by("seq") if point.is_behind(step)]


def actions_kept(run: Run, point: Point) -> list[Step]:
    """Return the actions of the point's node that come before it and have ended, by ordinal."""
    if not point.ordinal:
        return []
    found = Step.objects.filter(
        run_id=run.pk, parent_seq=point.node_seq or 0, seq__gt=point.node_seq or 0, is_superseded=False
    )
    settled = found.filter(ordinal__lt=point.ordinal, status__in=["succeeded", "failed"])
    return list(settled.order_by("ordinal"))


def _at_action(run: Run, step: Step) -> Point:
    if step.ended_at is None and RunStatus(run.status) not in TERMINAL and step.parent_seq == run.node_seq:
        raise _still_open(run, step.seq)
    return _inside(run, step.seq, step.parent_seq, step.branch, step.ordinal or 0)


def _inside(run: Run, seq: int, node_seq: int, branch: int, ordinal: int) -> Point:
    node, checkpoint_seq = _node_at(run, node_seq)
    return Point(seq, checkpoint_seq, node, node_seq, ordinal, _onward(run, branch, node_seq))


def _behind(run: Run, seq: int, branch: int) -> Point:
    onward = _onward(run, branch, seq)
    node, node_seq = _next_node(run, seq, onward)
    return Point(seq, seq, node, node_seq, 0, onward)


def _onward(run: Run, branch: int, node_seq: int) -> Lineage:
    """Return the run's own branch where the node belongs to it, else the one that the node was done on."""
    current = lineage(run.pk, run.branch)
    return current if current.holds(branch, node_seq) else lineage(run.pk, branch)


def _node_at(run: Run, node_seq: int) -> tuple[str, int]:
    """Return the name of a node and the checkpoint before it."""
    name = Step.objects.filter(run_id=run.pk, seq=node_seq, depth=0).values_list("name", flat=True).first()
    own = (
        Checkpoint.objects.filter(run_id=run.pk, seq=node_seq, kind="d")
        .values_list("parent_seq", flat=True)
        .first()
    )
    if name is not None and own is not None:
        return name, own
    if node_seq == run.node_seq:
        return run.node, run.head_seq
    left = Branch.objects.filter(run_id=run.pk, left_node_seq=node_seq).first()
    if left is None or left.left_head_seq is None:
        raise IntegrityError(run.pk, node_seq, "the checkpoint", _nearest(run, node_seq))
    return left.left_node, left.left_head_seq


def _next_node(run: Run, seq: int, onward: Lineage) -> tuple[str, int]:
    """Return which node came after a checkpoint, and its step."""
    nodes = Step.objects.filter(onward.where("seq"), run_id=run.pk, depth=0, seq__gt=seq).order_by("seq")
    found: tuple[str, int] | None = nodes.values_list("name", "seq").first()
    if found is not None:
        return found
    if run.head_seq == seq and run.node_seq > seq and onward.branch == run.branch:
        return run.node, run.node_seq
    left = Branch.objects.filter(run_id=run.pk, left_head_seq=seq, left_node_seq__gt=seq).first()
    if left is not None and left.left_node_seq is not None:
        return left.left_node, left.left_node_seq
    told = f"run {run.pk} ended with step {seq}, so nothing comes after it; choose an earlier one"
    raise InvalidInputError(told, errors=[{"pointer": "/seq", "message": "nothing comes after it"}])


def _not_there(run: Run, seq: int) -> NotFoundError | ConflictError:
    if seq == run.node_seq and RunStatus(run.status) not in TERMINAL:
        return _still_open(run, seq)
    nearest = _nearest(run, seq)
    return NotFoundError(
        f"run {run.pk} has no step {seq}; the nearest checkpoint before it is {nearest}", nearest=nearest
    )


def _still_open(run: Run, seq: int) -> ConflictError:
    nearest = run.head_seq
    told = f"step {seq} of run {run.pk} has not ended; begin at {nearest}, the checkpoint before it, or wait for it"
    return ConflictError(told, nearest=nearest, run_status=run.status)


def _nearest(run: Run, seq: int) -> int:
    found = Checkpoint.objects.filter(run_id=run.pk, seq__lte=seq, kind="d").order_by("-seq")
    return found.values_list("seq", flat=True).first() or 0
