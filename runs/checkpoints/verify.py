"""Checking everything that is stored of a run against its chain, row by row."""

from collections.abc import Iterator, Set
from dataclasses import dataclass
from uuid import UUID

from django.db.models import QuerySet

from agentops.common.types import JsonValue
from runs.checkpoints.blobs import load
from runs.checkpoints.chain import (
    IntegrityError,
    checkpoint_hash,
    cut_hash,
    cut_mac,
    end_mac,
    outcome_mac,
    same,
    segment_mac,
)
from runs.checkpoints.codec import Encoded
from runs.checkpoints.contents import contents
from runs.checkpoints.files import NO_CHANGE, hash_of
from runs.checkpoints.lineage import END, lineage
from runs.checkpoints.reuses import mac_of, seal_of
from runs.checkpoints.store import DELTA, FILES, SEGMENT, SNAPSHOT, fork_genesis, genesis
from runs.engine.files import File, Manifest, apply_change
from runs.models import Branch, Checkpoint, Cut, Outcome, Reuse, Run, Step

CHUNK = 2000


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a check of one run found: how many rows it covered, and what fails (empty when nothing does).

    `last_good_seq` is the last checkpoint that a fork can start from, when something fails.
    """

    run_id: UUID
    n_rows: int
    failures: list[str]
    last_good_seq: int

    @property
    def is_clean(self) -> bool:
        return not self.failures


def verify_run(run: Run) -> Verdict:
    """Check every snapshot, delta, segment, file and outcome of a run, its end, and that none is missing, moved or added.

    Reads all of them, in chunks; writes nothing.
    """
    hashes: dict[int, bytes] = {}
    tips = _tips(run)
    cut = Cut.objects.filter(run_id=run.id).first()
    seq = cut.seq if cut else 0
    states = [*_genesis(run, hashes, tips), *_at_cut(run, cut, hashes, tips)]
    states += [
        *_deltas(run, hashes, tips, seq),
        *_segments(run, hashes, tips, seq),
        *_files(run, hashes, tips, seq),
    ]
    others = [*_outcomes(run, cut.first_seq if cut else 0), *_branches(run, hashes), *_end(run)]
    n_rows = len(states) + len(others)
    if not same(hashes.get(run.head_seq, b""), run.head_hash):
        others.append(IntegrityError(run.id, run.head_seq, "the head"))
    failures = [str(failure) for failure in states + others if failure is not None]
    end = run.head_seq if failures and run.status == "succeeded" else None
    return Verdict(run.id, n_rows, failures, _last_good_seq(run, hashes.keys() - {end}, states))


def _last_good_seq(run: Run, seqs: Set[int], states: list[IntegrityError | None]) -> int:
    """Return the last checkpoint, of these, of the run's branch before all that fails of states and files."""
    worst = min((failure.seq for failure in states if failure is not None), default=END)
    on_branch = lineage(run.id, run.branch)
    return max((seq for seq in seqs if seq < worst and on_branch.holds_seq(seq)), default=0)


def _tips(run: Run) -> dict[int, bytes]:
    """Return the hash of each change of files by its step; _deltas adds those of the steps that made none."""
    rows = Checkpoint.objects.filter(run_id=run.id, kind=FILES).values_list("seq", "hash")
    return {0: NO_CHANGE} | {seq: bytes(found) for seq, found in rows}


def _genesis(run: Run, hashes: dict[int, bytes], tips: dict[int, bytes]) -> Iterator[IntegrityError | None]:
    """Put the hash that the chain begins with into `hashes`; a fork's has a row to be judged, an input has none."""
    given = Encoded(run.input_codec, bytes(run.input), 0)
    hashes[0] = genesis(run.team_id, run.id, given)
    for row in _checkpoints(run, SNAPSHOT).filter(seq=0):
        snapshot = Encoded(row.codec, bytes(row.body), 0)
        parent_hash = bytes(row.tip_hash or b"")
        hashes[0] = fork_genesis(run.team_id, run.id, given, snapshot, parent_hash, files=tips[0])
        is_good = same(hashes[0], row.hash) and _is_whole(row.codec, row.body)
        yield None if is_good else IntegrityError(run.id, row.seq, "the snapshot")


def _at_cut(
    run: Run, cut: Cut | None, hashes: dict[int, bytes], tips: dict[int, bytes]
) -> Iterator[IntegrityError | None]:
    """Yield the verdict on the cut and its snapshot; where the chain was cut it begins there, in `hashes` too."""
    rows = list(_checkpoints(run, SNAPSHOT).exclude(seq=0))
    begun = hashes[0]
    if cut is not None:
        hashes.clear()
        tips[cut.seq] = tips[max(seq for seq in tips if seq <= cut.seq)]
        is_good = same(mac_of_cut(cut), cut.mac) and [row.seq for row in rows] == [cut.seq]
        yield None if is_good else IntegrityError(run.id, cut.seq, "the cut")
    for row in rows:
        snapshot, tip_hash = Encoded(row.codec, bytes(row.body), 0), bytes(row.tip_hash or b"")
        files = tips.get(row.seq, NO_CHANGE)
        computed = cut_hash(run.team_id, run.id, row.seq, (begun, tip_hash), snapshot, files=files)
        is_good = cut is not None and same(tip_hash, cut.tip_hash) and same(computed, row.hash)
        is_good = is_good and _is_whole(row.codec, row.body)
        if is_good:
            hashes[row.seq] = tip_hash
        yield None if is_good else IntegrityError(run.id, row.seq, "the snapshot of the cut")


def _deltas(
    run: Run, hashes: dict[int, bytes], tips: dict[int, bytes], cut_seq: int
) -> Iterator[IntegrityError | None]:
    """Yield the verdict on each delta behind the cut; `hashes` is filled with those that hold."""
    for row in _checkpoints(run, DELTA).filter(seq__gt=cut_seq).iterator(CHUNK):
        encoded = Encoded(row.codec, bytes(row.body), 0)
        parent = hashes.get(row.parent_seq, b"")
        tip = tips.setdefault(row.seq, tips.get(row.parent_seq, NO_CHANGE))
        computed = checkpoint_hash(run.team_id, run.id, row.seq, parent, encoded, files=tip)
        is_good = row.parent_seq in hashes and row.team_id == run.team_id and same(computed, row.hash)
        is_good = is_good and _is_whole(row.codec, row.body)
        if is_good:
            hashes[row.seq] = computed
        yield None if is_good else IntegrityError(run.id, row.seq, "the checkpoint")


def _segments(
    run: Run, hashes: dict[int, bytes], tips: dict[int, bytes], cut_seq: int
) -> Iterator[IntegrityError | None]:
    for row in _checkpoints(run, SEGMENT).filter(seq__gt=cut_seq).iterator(CHUNK):
        encoded, tip = Encoded(row.codec, bytes(row.body), 0), bytes(row.tip_hash or b"")
        start = (row.parent_seq, hashes.get(row.parent_seq, b""))
        files = tips.get(row.seq, NO_CHANGE)
        computed = segment_mac(run.team_id, run.id, row.seq, start, tip, encoded, files=files)
        is_good = (
            same(computed, row.hash)
            and same(tip, hashes.get(row.seq, b""))
            and _is_whole(row.codec, row.body)
        )
        yield None if is_good else IntegrityError(run.id, row.seq, "the segment")


def _files(
    run: Run, hashes: dict[int, bytes], tips: dict[int, bytes], cut_seq: int
) -> Iterator[IntegrityError | None]:
    """Yield the verdict on each change of files, with the contents that it brought; they are never cut."""
    known, last = set[File](), NO_CHANGE
    for row in _checkpoints(run, FILES).iterator(CHUNK):
        is_cut = row.seq <= cut_seq
        before = last if is_cut else tips.get(row.parent_seq, NO_CHANGE)
        last = bytes(row.hash)
        is_good = (
            (is_cut or row.seq in hashes)
            and row.team_id == run.team_id
            and same(hash_of(row, before), row.hash)
        )
        is_good = is_good and _has_contents(row, known)
        yield None if is_good else IntegrityError(run.id, row.seq, "the files")


def _has_contents(row: Checkpoint, known: set[File]) -> bool:
    """Return whether every content that the change brought is there; those in `known` were seen before."""
    brought: Manifest = {}
    try:
        apply_change(brought, load(row.codec, row.body) | {"remove": []})
        new = set(brought.values()) - known
        known |= {file for file, _ in contents(row.team_id, new)}
    except (ValueError, TypeError):
        return False
    return True


def _outcomes(run: Run, first_seq: int) -> Iterator[IntegrityError | None]:
    """Yield the verdict on the outcome of each settled action, and on each that is not there."""
    rows = {row.seq: row for row in Outcome.objects.filter(run_id=run.id).iterator(CHUNK)}
    settled = Step.objects.filter(run_id=run.id, seq__gte=first_seq, status__in=["succeeded", "failed"])
    settled = settled.exclude(kind="node")
    for seq, status in settled.order_by("seq").values_list("seq", "status").iterator(CHUNK):
        row = rows.get(seq)
        is_good = row is not None and row.body is not None and same(_outcome_mac(run, row, status), row.mac)
        is_good = is_good and row is not None and _is_whole(row.body_codec, row.body or b"")
        yield None if is_good else IntegrityError(run.id, seq, "the outcome")


def _branches(run: Run, hashes: dict[int, bytes]) -> Iterator[IntegrityError | None]:
    """Yield the verdict on each reusable outcome, and on each branch: what it began with, was given, and left behind."""
    for branch in Branch.objects.filter(run_id=run.id).order_by("number"):
        macs = []
        for row in Reuse.objects.filter(run_id=run.id, branch=branch.number).order_by("n").iterator(CHUNK):
            macs.append(mac_of(row))
            is_good = same(macs[-1], row.mac) and (row.body is None or _is_whole(row.body_codec, row.body))
            yield None if is_good else IntegrityError(run.id, row.source_seq, "a reusable outcome")
        is_good = same(seal_of(branch, macs), branch.reuse_hash)
        if branch.left_head_seq is not None:
            is_good = is_good and same(hashes.get(branch.left_head_seq, b""), branch.left_head_hash or b"")
        yield None if is_good else IntegrityError(run.id, branch.from_seq, f"branch {branch.number}")


def _end(run: Run) -> Iterator[IntegrityError | None]:
    """Yield the verdict on the output or the error of a run that a worker has ended.

    A dead letter whose processes died was written by a beater, which has no key.
    """
    is_poison = isinstance(run.error, dict) and run.error.get("code") == "poison"
    if run.status == "succeeded" or (run.status == "failed" and not is_poison):
        is_good = run.end_mac is not None and same(mac_of_end(run), run.end_mac)
        what = "the output" if run.status == "succeeded" else "the error"
        yield None if is_good else IntegrityError(run.id, run.head_seq, what)


def mac_of_cut(cut: Cut) -> bytes:
    """Return the code that the row of a cut must have."""
    what: JsonValue = [cut.first_seq, cut.n_steps, cut.n_rows, cut.row_bytes, cut.by]
    return cut_mac(cut.team_id, cut.run_id, cut.seq, bytes(cut.tip_hash), what)


def mac_of_end(run: Run) -> bytes:
    """Return the code that the end of the run should have, as it is stored."""
    body, head = bytes(run.output or b""), (run.head_seq, bytes(run.head_hash))
    return end_mac(run.team_id, run.id, head, codec=run.output_codec, output=body, error=run.error)


def _is_whole(codec: int, body: bytes | memoryview) -> bool:
    """Return whether the value, or the large one that it refers to, can be read."""
    try:
        load(codec, body)
    except ValueError:
        return False
    return True


def _outcome_mac(run: Run, row: Outcome, status: str) -> bytes:
    place = (run.team_id, run.id, row.seq, bytes(row.request_hash))
    return outcome_mac(*place, row.body_codec, bytes(row.body or b""), status=status, riders=row.riders)


def _checkpoints(run: Run, kind: str) -> QuerySet[Checkpoint]:
    return Checkpoint.objects.filter(run_id=run.id, kind=kind).order_by("seq")
