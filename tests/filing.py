"""A program that does to its workspace what its input says, and what its tests look at."""

import os
import shutil
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

from runs.checkpoints.contents import contents
from runs.checkpoints.files import files_at
from runs.checkpoints.lineage import branch_of
from runs.checkpoints.store import rebuild
from runs.engine.commands import Command
from runs.models import Run
from runs.program import Context, Finish, Goto, Program, RetryPolicy, heal, node
from runs.workspace import folders


class Filing(Program):
    """Does the operations of the input's `nodes`, a node each: a list of [what, …]."""

    name = "test-filing"

    @node(start=True, retry=RetryPolicy(max_attempts=2, first_seconds=0.01, max_seconds=0.02))
    def work(self, ctx: Context, state: Any) -> Command:
        i = state.get("i", 0)
        for what, *args in state["nodes"][i]:
            do(ctx, what, *args)
        more: Any = {"set": {"i": i + 1}}
        if i + 1 == len(state["nodes"]):
            return Finish(output=held(ctx.workspace), **more)
        return Goto("work", **more)


class Healed(Filing):
    """The same, tried again from its checkpoint when a node has failed for good."""

    name = "test-filing-healed"
    recovery = (heal.on("*", rungs=[heal.retry(after_seconds=0, times=3)]),)


def do(ctx: Context, what: str, *args: Any) -> None:
    """Do one operation: on the folder, or through the context."""
    if what in _ON_FOLDER:
        _ON_FOLDER[what](ctx.workspace, *args)
    else:
        _ON_CONTEXT[what](ctx, *args)


def _write(root: Path, path: str, text: str) -> None:
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_bytes(text.encode())


def _append(root: Path, path: str, text: str) -> None:
    with (root / path).open("a") as file:
        file.write(text)


def _remove(root: Path, path: str) -> None:
    shutil.rmtree(root / path) if (root / path).is_dir() else (root / path).unlink()


def _move(root: Path, path: str, to: str) -> None:
    (root / to).parent.mkdir(parents=True, exist_ok=True)
    (root / path).rename(root / to)


def _expect(root: Path, expected: dict[str, str]) -> None:
    assert held(root) == expected, held(root)


def _many(root: Path, n: int, size: int) -> None:
    for i in range(n):
        (root / f"{i:04}.txt").write_text(f"{i:04}" * (size // 4))


def _fail(ctx: Context, attempt: int) -> None:
    assert ctx.attempt != attempt, "as the test says"


def _odd(root: Path, kind: str) -> None:
    """Leave something in the folder that cannot be kept."""
    if kind in _ODD:
        _ODD[kind](root)
    else:
        (root / kind).write_text("x")


def _socket(root: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listening:
        descriptor = os.open(root, os.O_RDONLY)
        listening.bind(f"/proc/self/fd/{descriptor}/socket")
        os.close(descriptor)


def _hard_link(root: Path) -> None:
    _write(root, "one", "1")
    (root / "two").hardlink_to(root / "one")


def _both(root: Path, one: str, other: str) -> None:
    _write(root, one, "1")
    _write(root, other, "2")


def _folders(root: Path) -> None:
    for i in range(30):
        (root / f"{i}").mkdir()


_ON_FOLDER: dict[str, Callable[..., object]] = {
    "write": _write, "append": _append, "remove": _remove, "move": _move, "expect": _expect, "many": _many, "odd": _odd,
    "mode": lambda root, path, mode: (root / path).chmod(mode),
}  # fmt: skip
_ON_CONTEXT: dict[str, Callable[..., object]] = {
    "fail": _fail,
    "tool": lambda ctx, name, given: ctx.tool(name, **given),
    "sleep": lambda ctx, seconds: ctx.sleep(seconds),
}
_ODD: dict[str, Callable[[Path], object]] = {
    "symlink": lambda root: (root / "link").symlink_to("/etc/passwd"),
    "symlink to a folder": lambda root: (root / "link").symlink_to("/etc"),
    "hard link": _hard_link,
    "fifo": lambda root: os.mkfifo(root / "pipe"),
    "socket": _socket,
    "not UTF-8": lambda root: Path(os.fsdecode(os.fsencode(root) + b"/\xff\xfe")).write_text("x"),
    "case": lambda root: _both(root, "Report.md", "report.MD"),
    "case of a folder": lambda root: _both(root, "Reports/a", "reports/b"),
    "bytes": lambda root: (root / "bytes").write_bytes(bytes(range(256))),
    "deep": lambda root: _write(root, "d/" * 40 + "file", "1"),
    "folders": _folders,
}


def held(root: Path) -> dict[str, str]:
    """Return what stands in a folder."""
    files = [path for path in sorted(root.rglob("*")) if path.is_file()]
    return {str(path.relative_to(root)): path.read_bytes().decode(errors="replace") for path in files}


def kept(run: Run, seq: int | None = None, *, branch: int | None = None) -> dict[str, str]:
    """Return the files of a checkpoint, from the database alone."""
    built = rebuild(run, seq, branch=branch)
    on = branch or (run.branch if seq is None else branch_of(run, seq))
    manifest = files_at(run.team_id, run.pk, branch=on, seq=built.seq, tip=built.tail.files).manifest
    found = dict(contents(run.team_id, manifest.values()))
    return {path: found[file].decode(errors="replace") for path, file in sorted(manifest.items())}


def left_on_disk() -> list[str]:
    """Return the names of all folders that stand on this host."""
    return [folder.name for folder, _, _ in folders.found()]
