"""Cut the chain of a run: a signed snapshot takes the place of old steps, and the rest still ties to it."""

from functools import lru_cache
from typing import Any
from uuid import UUID

from agentops.common.conf import conf
from agentops.common.errors import ConflictError
from agentops.common.transactions import transaction
from runs.archives.needs import is_needed
from runs.archives.tables import bytes_of, table
from runs.checkpoints.blobs import put, shelved
from runs.checkpoints.chain import cut_hash
from runs.checkpoints.codec import Encoded, encode
from runs.checkpoints.store import SNAPSHOT, Rebuilt, genesis, rebuild
from runs.checkpoints.verify import mac_of_cut
from runs.engine.frozen import thaw
from runs.journal.fence import execute, query
from runs.models import Checkpoint, Cut, Run, Step
from runs.selectors.prunable import GONE, POINT
from runs.services.delete_runs import LOCK_WAIT

BATCH_ROWS = 2000

_POINT = f"SELECT ({POINT.format(days='%(days)s::int')}) FROM runs_run r WHERE r.id = %(run_id)s"  # noqa: S608 -- constants
_FIRST = "SELECT min(seq) FROM runs_step WHERE run_id = %(run_id)s AND seq > %(seq)s AND kind = 'node'"
_LOCK = """
SELECT r.id FROM runs_run r WHERE r.id = %(run_id)s AND r.branch = 1 AND r.archived_at IS NULL AND r.head_seq > %(seq)s
    AND NOT {needed} AND NOT EXISTS (SELECT 1 FROM runs_branch b WHERE b.run_id = r.id) FOR UPDATE OF r
"""
_COUNT = "SELECT count(*), coalesce(sum({bytes}), 0)::bigint FROM {table} x WHERE x.run_id = %(run_id)s AND {condition}"
_TAKE = """
WITH gone AS (
    DELETE FROM {table} t WHERE t.run_id = %(run_id)s AND t.ctid = ANY(ARRAY(
        SELECT x.ctid FROM {table} x WHERE x.run_id = %(run_id)s AND {condition} LIMIT %(limit)s))
    RETURNING {bytes} AS row_bytes)
SELECT count(*), coalesce(sum(row_bytes), 0)::bigint FROM gone
"""


def prune_run(*, run_id: UUID, after_days: int, by: str) -> int:
    """Return how many bytes of rows went: those of the steps up to the last merged stretch that ended so long ago.

    The run may go on meanwhile. Waits, signals and files stay. What an earlier cut left behind goes as well.

    Raises: ConflictError when something needs the run, or it went back; IntegrityError when its rows are not what was
        written.
    Locks: the run row, no longer than 100 ms for it. Transaction: one that cuts, then small ones.
    """
    row = execute(_POINT, {"run_id": run_id, "days": after_days})
    if row is not None and row[0] is not None:
        run = Run.objects.get(pk=run_id)
        _cut(run, rebuild(run, row[0]), by)
    cut = Cut.objects.filter(run_id=run_id).first()
    return _take_away(cut) if cut else 0


def _cut(run: Run, built: Rebuilt, by: str) -> None:
    """Let the chain begin at this checkpoint."""
    snapshot = shelved(run.team_id, encode(thaw(built.state)))
    ties = (genesis(run.team_id, run.pk, Encoded(run.input_codec, bytes(run.input), 0)), built.hash)
    first = execute(_FIRST, {"run_id": run.pk, "seq": built.seq})
    cut = Cut(
        run=run, team_id=run.team_id, seq=built.seq, first_seq=(first and first[0]) or run.node_seq, tip_hash=built.hash,
        n_steps=0, n_rows=0, row_bytes=0, by=by[:200], key_id=conf().integrity_key_id,
    )  # fmt: skip
    earlier = _count(cut)
    cut.mac = mac_of_cut(cut)
    with transaction():
        execute(LOCK_WAIT, {})
        is_ours = execute(_LOCK.format(needed=is_needed(of_open=True)), {"run_id": run.pk, "seq": built.seq})
        if is_ours is None:
            raise ConflictError(f"run {run.pk} is needed as it is, or went back meanwhile")
        if snapshot.blob is not None:
            put(run.team_id, snapshot)
        Checkpoint.objects.filter(run_id=run.pk, kind=SNAPSHOT).delete()
        values: dict[str, Any] = {"team_id": run.team_id, "parent_seq": built.seq, "branch": run.branch}
        Checkpoint.objects.create(
            run=run, seq=built.seq, kind=SNAPSHOT, codec=snapshot.codec, body=snapshot.body, tip_hash=built.hash,
            key_id=conf().integrity_key_id, **values,
            hash=cut_hash(run.team_id, run.pk, built.seq, ties, snapshot, files=built.tail.files),
        )  # fmt: skip
        cut.save(force_update=True) if earlier else cut.save(force_insert=True)


def _count(cut: Cut) -> Cut | None:
    """Say in the cut what goes with it and went before; return the earlier one."""
    earlier = Cut.objects.filter(run_id=cut.run_id).first()
    params = {"run_id": cut.run_id, "seq": cut.seq, "first_seq": cut.first_seq}
    sums = [query(sql, params)[0] for sql in _statements(_COUNT, "x")]
    cut.n_rows, cut.row_bytes = sum(row[0] for row in sums), sum(row[1] for row in sums)
    cut.n_steps = Step.objects.filter(run_id=cut.run_id, seq__lt=cut.first_seq).count()
    if earlier:
        cut.n_steps += earlier.n_steps
        cut.n_rows += earlier.n_rows
        cut.row_bytes += earlier.row_bytes
    return earlier


def _take_away(cut: Cut) -> int:
    params = {"run_id": cut.run_id, "seq": cut.seq, "first_seq": cut.first_seq, "limit": BATCH_ROWS}
    n_bytes = 0
    for sql in _statements(_TAKE, "t"):
        while (row := execute(sql, params)) is not None:
            n_bytes += row[1]
            if row[0] < BATCH_ROWS:
                break
    return n_bytes


@lru_cache(maxsize=2)
def _statements(template: str, alias: str) -> list[str]:
    """Return the statement for each table."""
    bound = {"first_seq": "%(first_seq)s", "seq": "%(seq)s"}
    return [
        template.format(
            table=table(model), condition=condition.format_map(bound), bytes=bytes_of(model, alias)
        )
        for model, condition in GONE
    ]
