"""Answers to reads that a recovery policy may fall back on: kept as a pointer to the outcome, served after its check."""

from uuid import UUID

from django.db.models import DurationField, ExpressionWrapper, F
from django.db.models.functions import Now

from agentops.common.types import JsonValue
from runs.checkpoints.blobs import load
from runs.checkpoints.chain import outcome_mac, same
from runs.journal.fence import Lease, execute, persist
from runs.models import CachedRead, Outcome

# Not fenced, for it changes nothing of the run: at worst it points at an answer that is a moment older.
_KEEP = """
INSERT INTO runs_cachedread (team_id, request_hash, run_id, seq, at)
VALUES (%(team_id)s, %(request_hash)s, %(run_id)s, %(seq)s, clock_timestamp())
ON CONFLICT (team_id, request_hash) DO UPDATE SET run_id = excluded.run_id, seq = excluded.seq, at = excluded.at
"""


def keep_answer(lease: Lease, seq: int, request_hash: bytes) -> None:
    """Remember that the step has the newest answer to the request. Transaction: none open; one statement."""
    params = {"team_id": lease.team_id, "request_hash": request_hash, "run_id": lease.run_id, "seq": seq}
    persist(lambda: execute(_KEEP, params))


def kept_answer(team_id: UUID, request_hash: bytes) -> tuple[UUID, int, float] | None:
    """Return run, step and age in seconds of the newest answer to the request, if one is kept and is what was written."""
    age = ExpressionWrapper(Now() - F("at"), output_field=DurationField())
    found = CachedRead.objects.filter(team_id=team_id, request_hash=request_hash).annotate(age=age).first()
    if found is None or _genuine(team_id, found.run_id, found.seq) is None:
        return None
    return found.run_id, found.seq, found.age.total_seconds()


def cached_output(team_id: UUID, run_id: UUID, seq: int) -> JsonValue:
    """Return the output of a succeeded step of the team.

    Raises: LookupError when it is gone, or is not what was written.
    """
    row = _genuine(team_id, run_id, seq)
    if row is None or row.body is None:
        raise LookupError(f"the answer of run {run_id}, step {seq}, is gone")
    value: JsonValue = load(row.body_codec, row.body)
    return value


def _genuine(team_id: UUID, run_id: UUID, seq: int) -> Outcome | None:
    row = Outcome.objects.filter(team_id=team_id, run_id=run_id, seq=seq).first()
    if row is None or row.body is None:
        return None
    mac = outcome_mac(
        team_id, run_id, seq, bytes(row.request_hash), row.body_codec, bytes(row.body), status="succeeded", riders=row.riders
    )  # fmt: skip
    return row if same(mac, row.mac) else None
