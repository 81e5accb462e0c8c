"""Whatever a run does to its files, at whichever step, each checkpoint gives back exactly what stood there."""

import os
import random
from collections.abc import Iterator
from typing import Any

import pytest

from runs.checkpoints.lineage import lineage
from runs.checkpoints.verify import verify_run
from runs.models import Checkpoint, Run
from runs.services.rewind_run import rewind_run
from tests.filing import kept, left_on_disk
from tests.forking import actor_of, fork
from tests.runs import a_run, drive, output

pytestmark = pytest.mark.django_db

N_CASES = int(os.environ.get("WORKSPACES_CASES", "30"))
NAMES = ("a", "b.txt", "été", "日本.md", "with space", "-rf", "x" * 200, "&<>\"'", "~", ".hidden")
FOLDERS = ("", "one/", "one/two/", "ünder/")
CONTENTS = ("", "x", "line\n" * 50, "y" * 70_000, "\x01\x7f", "ﬃ")
Files = dict[str, str]


class Case:
    """A random run: operations a node each, with the files that should stand after each of them."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.nodes: list[list[Any]] = []
        self.after: list[Files] = [{}]
        files: Files = {}
        for n in range(self.chance.randint(2, 6)):
            operations = list(self._operations(files))
            if self.chance.random() < 0.3:
                operations += [["write", "half", "x"], ["fail", 1], ["remove", "half"]]
            if self.chance.random() < 0.3:
                operations.insert(0, ["expect", self.after[n]])
            self.nodes.append(operations)
            self.after.append(dict(files))

    def _operations(self, files: Files) -> Iterator[list[Any]]:
        for _ in range(self.chance.randint(0, 6)):
            path = self.chance.choice(FOLDERS) + self.chance.choice(NAMES)
            known = sorted(files)
            match self.chance.choice(("write", "append", "remove", "move", "mode")):
                case "append" if path in files:
                    yield ["append", path, "+"]
                    files[path] += "+"
                case "remove" if known:
                    gone = self.chance.choice(known)
                    yield ["remove", gone]
                    del files[gone]
                case "move" if known:
                    moved = self.chance.choice(known)
                    yield ["move", moved, path]
                    files[path] = files.pop(moved)
                case "mode" if known:
                    yield ["mode", self.chance.choice(known), self.chance.choice((0o644, 0o755, 0o600))]
                case _:
                    files[path] = self.chance.choice(CONTENTS)
                    yield ["write", path, files[path]]

    def check(self, run: Run, *, branch: int | None = None) -> None:
        assert run.status == "succeeded", run.error
        assert output(run) == self.after[-1]
        for node, seq in enumerate(nodes_of(run), 1):
            assert kept(run, seq, branch=branch) == self.after[node], f"after node {node}"
        assert verify_run(run).is_clean
        assert left_on_disk() == []


def nodes_of(run: Run) -> list[int]:
    """Return the checkpoints of the run's own branch, in order."""
    on_branch = lineage(run.pk, run.branch).where("seq")
    found = Checkpoint.objects.filter(on_branch, run_id=run.pk, kind="d").order_by("seq")
    return list(found.values_list("seq", flat=True))


@pytest.mark.parametrize("seed", range(N_CASES))
def test_each_checkpoint_gives_back_what_stood_there(seed: int) -> None:
    case = Case(seed)
    run = drive(a_run("test-filing", {"nodes": case.nodes}))
    case.check(run)
    seqs = [0, *nodes_of(run)[:-1]]
    at = case.chance.randrange(len(seqs))
    child = fork(run, seqs[at])
    assert kept(child, 0) == case.after[at]
    child = drive(child)
    assert (child.status, output(child)) == ("succeeded", case.after[-1])
    assert verify_run(child).is_clean
    rewind_run(actor=actor_of(run), run_id=run.pk, seq=seqs[case.chance.randrange(len(seqs))])
    case.check(drive(run))
