"""Copying recorded outcomes to where another branch may use them: into its journal, or into its table of reuse.

Each outcome is checked against its code before it is copied, and bears a code of its new place afterwards.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from agentops.common.conf import conf
from agentops.common.types import JsonValue
from runs.checkpoints.blobs import put, shelved
from runs.checkpoints.chain import IntegrityError, outcome_mac, same
from runs.checkpoints.codec import Encoded, encode_capped
from runs.checkpoints.reuses import mac_of
from runs.engine.reuse import EDITED, FAILED, MADE, SUCCEEDED, UNKNOWN, Mark
from runs.models import Intent, Outcome, Reuse, Step

BATCH = 500
REUSED_KINDS = ("tool", "child_run")
_UNTRUE = (Mark.SIMULATED.value, Mark.EDITED.value)


@dataclass(frozen=True, slots=True)
class Place:
    """The branch that outcomes are copied to."""

    team_id: UUID
    run_id: UUID
    branch: int


def outcomes_of(run_id: UUID, steps: Sequence[Step]) -> dict[int, Outcome]:
    """Return the outcomes of settled actions by seq, each checked.

    Raises: IntegrityError for one that is not what was written, or is not there.
    """
    settled = [step for step in steps if step.status in (SUCCEEDED, FAILED)]
    rows = Outcome.objects.filter(run_id=run_id, seq__in=[step.seq for step in settled])
    found = {row.seq: row for row in rows}
    for step in settled:
        row = found.get(step.seq)
        if row is None or row.body is None or not same(_mac(row, run_id, step.seq, step.status), row.mac):
            raise IntegrityError(run_id, step.seq, "the outcome")
    return found


def written(team_id: UUID, value: JsonValue, what: str) -> Encoded:
    """Return a value as it is stored, a large one put aside.

    Raises: TooLargeError
    """
    encoded = shelved(team_id, encode_capped(value, max_bytes=conf().value_max_bytes, what=what))
    if encoded.blob is not None:
        put(team_id, encoded)
    return encoded


def keep_in_journal(
    place: Place, steps: Sequence[Step], edited: Mapping[int, Encoded], *, node_seq: int
) -> None:
    """Insert copies of the actions as the first ones of the node `node_seq`, the outputs in `edited` in place of theirs.

    They take the numbers after `node_seq`, in their order. Transaction: the caller's.
    """
    if not steps:
        return
    source = steps[0].run_id
    outcomes = outcomes_of(source, [step for step in steps if step.seq not in edited])
    outcomes |= {row.seq: row for row in Outcome.objects.filter(run_id=source, seq__in=list(edited))}
    kept = [
        _kept(place, step, outcomes[step.seq], edited.get(step.seq), node_seq, seq)
        for seq, step in enumerate(steps, node_seq + 1)
    ]
    Step.objects.bulk_create([step for step, _ in kept], batch_size=BATCH)
    Outcome.objects.bulk_create([outcome for _, outcome in kept], batch_size=BATCH)


def reusable(
    place: Place, steps: Sequence[Step], edited: Mapping[int, Encoded], *, serves: bool
) -> Iterator[Reuse]:
    """Yield the rows that let the branch use what these actions came to; numbered from 1.

    Without `serves` only `edited` outputs are served, and the other rows keep the count.
    """
    if not steps:
        return
    source = steps[0].run_id
    served = [step for step in steps if serves and step.seq not in edited]
    outcomes = outcomes_of(source, served)
    hashes = {row.seq: row for row in Outcome.objects.filter(run_id=source, seq__in=[s.seq for s in steps])}
    keys = dict(
        Intent.objects.filter(run_id=source, seq__in=[s.seq for s in steps]).values_list(
            "seq", "idempotency_key"
        )
    )
    for n, step in enumerate(steps, 1):
        status = EDITED if step.seq in edited else status_of(step) if serves else MADE
        body = edited.get(step.seq)
        row = outcomes.get(step.seq)
        if status == SUCCEEDED and row is not None:
            body = Encoded(row.body_codec, bytes(row.body or b""), 0)
        yield reuse_row(
            place, n, step, bytes(hashes[step.seq].request_hash), status, keys.get(step.seq, ""), body
        )


def reuse_row(
    place: Place, n: int, step: Step, request_hash: bytes, status: str, key: str, body: Encoded | None
) -> Reuse:
    """Return the n-th reusable outcome of a branch, a copy of what the step came to."""
    row = Reuse(
        run_id=place.run_id, branch=place.branch, n=n, team_id=place.team_id, tool=step.name, request_hash=request_hash,
        effect=step.effect, status=status, idempotency_key=key, source_run_id=step.run_id, source_seq=step.seq,
        body=body.body if body else None, body_codec=body.codec if body else 0, key_id=conf().integrity_key_id,
    )  # fmt: skip
    row.mac = mac_of(row)
    return row


def insert_reuses(rows: Iterable[Reuse]) -> list[bytes]:
    """Insert the rows; return their codes, in order. Transaction: the caller's."""
    made = Reuse.objects.bulk_create(rows, batch_size=BATCH)
    return [bytes(row.mac) for row in made]


def status_of(step: Step) -> str:
    """Return what is known of how the call ended; what was made up does not count."""
    if step.status == SUCCEEDED and step.reuse in _UNTRUE:
        return MADE
    return step.status if step.status in (SUCCEEDED, FAILED) else UNKNOWN


def _kept(
    place: Place, step: Step, outcome: Outcome, edited: Encoded | None, node_seq: int, seq: int
) -> tuple[Step, Outcome]:
    is_untrue = step.reuse in _UNTRUE
    mark = Mark.EDITED if edited else step.reuse if is_untrue else Mark.KEPT
    status = SUCCEEDED if edited else step.status
    codec, body = (edited.codec, edited.body) if edited else (outcome.body_codec, bytes(outcome.body or b""))
    copy = Step(
        run_id=place.run_id, seq=seq, team_id=place.team_id, parent_seq=node_seq, branch=place.branch, depth=1,
        ordinal=step.ordinal, kind=step.kind, name=step.name, effect=step.effect, status=status, summary=step.summary,
        attempts=step.attempts, error_code="" if edited else step.error_code, epoch=0, started_at=step.started_at,
        ended_at=step.ended_at or step.started_at, reuse=str(mark),
    )  # fmt: skip
    request_hash = bytes(outcome.request_hash)
    mac = outcome_mac(
        place.team_id, place.run_id, seq, request_hash, codec, body, status=status, riders=outcome.riders
    )
    return copy, Outcome(
        run_id=place.run_id, seq=seq, team_id=place.team_id, request_hash=request_hash, request=outcome.request,
        request_codec=outcome.request_codec, body=body, body_codec=codec, riders=outcome.riders,
        key_id=conf().integrity_key_id, mac=mac,
    )  # fmt: skip


def _mac(row: Outcome, run_id: UUID, seq: int, status: str) -> bytes:
    args: Any = (row.team_id, run_id, seq, bytes(row.request_hash), row.body_codec, bytes(row.body or b""))
    return outcome_mac(*args, status=status, riders=row.riders)
