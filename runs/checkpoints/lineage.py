"""Which steps a branch is made of: its own, and those of the branches that it grew out of, up to where it left them."""

from dataclasses import dataclass
from functools import reduce
from operator import or_
from uuid import UUID

from django.db.models import Q

from runs.models import Branch, Run, Step

END = 1 << 62


@dataclass(frozen=True, slots=True)
class Lineage:
    """The stretches of a branch, the oldest first: branch number, and the last checkpoint of it that belongs here.

    `firsts` are the first steps of these branches.
    """

    stretches: list[tuple[int, int]]
    firsts: list[int]

    @property
    def branch(self) -> int:
        return self.stretches[-1][0]

    def where(self, column: str) -> Q:
        """Return the condition that a step belongs to the branch, where `column` holds the seq of its node."""
        return reduce(or_, (Q(branch=number, **{f"{column}__lte": upto}) for number, upto in self.stretches))

    def holds(self, branch: int, node_seq: int) -> bool:
        """Return whether the node, and with it its actions, belongs to the branch."""
        return any(number == branch and node_seq <= upto for number, upto in self.stretches)

    def holds_seq(self, node_seq: int) -> bool:
        """Return whether the node belongs to the branch, going by its number alone."""
        parts = zip(self.firsts, self.stretches, strict=True)
        return any(first <= node_seq <= upto for first, (_, upto) in parts)


def lineage(run_id: UUID, number: int) -> Lineage:
    """Return what the branch is made of. A first branch is made of itself: no row is read."""
    stretches, firsts = [(number, END)], [1]
    if number > 1:
        columns = ("parent_number", "checkpoint_seq", "first_seq")
        rows = {row.number: row for row in Branch.objects.filter(run_id=run_id).only("number", *columns)}
        while number in rows and rows[number].parent_number:
            row = rows[number]
            upto = min(row.checkpoint_seq, stretches[-1][1])
            stretches.append((row.parent_number, upto))
            firsts = [1, row.first_seq, *firsts[1:]]
            number = row.parent_number
    return Lineage(stretches[::-1], firsts)


def branch_of(run: Run, seq: int) -> int:
    """Return the branch on which the step was done; the run's own for one that has no row yet."""
    if run.branch == 1 or not seq:
        return run.branch
    found = Step.objects.filter(run_id=run.pk, seq=seq).values_list("branch", flat=True).first()
    return run.branch if found is None else found
