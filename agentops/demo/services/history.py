"""The rows of one run, written down as a worker would have left them.

Every row is whole: checkpoints and segments are chained and signed, outcomes bear their codes, so such a run can be
verified, compared and forked like any other.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import connection

from agentops.common.canonical import digest
from agentops.common.ids import new_id, new_token
from runs.checkpoints.chain import checkpoint_hash, outcome_mac
from runs.checkpoints.codec import encode
from runs.checkpoints.segments import Tail
from runs.checkpoints.store import genesis
from runs.checkpoints.verify import mac_of_end
from runs.models import AgentVersion, Checkpoint, Outcome, Run, Step

_PLAIN = {"effect": "", "status": "succeeded", "attempts": 1, "error_code": ""}

_COLUMNS: dict[type, tuple[str, ...]] = {
    Step: (
        "run_id", "seq", "team_id", "parent_seq", "branch", "depth", "ordinal", "node_attempt", "kind", "name", "effect",
        "status", "is_superseded", "summary", "attempts", "error_code", "cost_microusd", "tokens_in", "tokens_out", "epoch",
        "worker_id", "token", "started_at", "ended_at",
    ),
    Outcome: (
        "run_id", "seq", "team_id", "request_hash", "request", "request_codec", "body", "body_codec", "key_id", "mac",
    ),
    Checkpoint: (
        "run_id", "seq", "kind", "team_id", "parent_seq", "branch", "codec", "body", "key_id", "hash", "tip_hash",
    ),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Act:
    """One call of a tool, and what came of it."""

    tool: str
    args: Mapping[str, Any]
    result: Mapping[str, Any]
    summary: str
    milliseconds: int
    effect: str = "read"
    attempts: int = 1
    error_code: str = ""
    kind: str = "tool"


class History:
    """The rows of one run, written down in the order of its clock."""

    def __init__(self, version: AgentVersion, given: Any, began_at: datetime) -> None:
        self.version, self.given, self.id, self.worker_id = version, given, new_id(), new_id()
        self.clock = self.began_at = began_at
        self.seq = self.head = self.n_failed = self.n_retries = 0
        self.last_node = ""
        self.input = encode(given)
        self.hash = genesis(version.team_id, self.id, self.input)
        self.tail = Tail(0, self.hash)
        self.rows: dict[type, list[tuple[Any, ...]]] = {kind: [] for kind in _COLUMNS}

    def node(self, name: str, acts: Sequence[Act], *, delta: list[Any], summary: str = "") -> None:
        """Write down a node that did these calls and was committed."""
        seq, began = self._begun(acts)
        self._step(seq, 0, None, began, kind="node", name=name, summary=summary or f"page {seq:,}")
        self._checkpoint(seq, delta)
        self.last_node = name

    def failed_node(self, name: str, acts: Sequence[Act], *, error_code: str) -> None:
        """Write down a node that failed for good; the head stays before it."""
        seq, began = self._begun(acts)
        self._step(
            seq, 0, None, began, kind="node", name=name, summary="", status="failed", error_code=error_code
        )
        self.n_failed, self.last_node = self.n_failed + 1, name

    def saved(self, title: str, by: str, *, output: Any = None, **columns: Any) -> Run:
        """Insert the run with its rows; it has succeeded unless `columns` say otherwise."""
        told: dict[str, Any] = {
            "status": "succeeded",
            "ended_at": self.clock,
            "node_seq": self.head,
            "root_id": self.id,
        } | columns
        result = None if output is None else encode(output)
        run = Run.objects.create(
            id=self.id, team_id=self.version.team_id, agent_id=self.version.agent_id,
            agent_version=self.version, title=title, batch_id="demo-data", input=self.input.body,
            input_codec=self.input.codec, output=result and result.body, output_codec=result.codec if result else 0,
            head_seq=self.head, head_hash=self.hash, node=told.pop("node", self.last_node), n_steps=self.seq, n_retries=self.n_retries,
            n_failed_steps=self.n_failed, request_hash=digest(title), created_by=by, started_at=self.began_at, **told,
        )  # fmt: skip
        end_mac = mac_of_end(run) if run.ended_at else None
        Run.objects.filter(pk=run.pk).update(
            created_at=self.began_at, queued_at=self.began_at, end_mac=end_mac
        )
        for kind, rows in self.rows.items():
            _copy(kind._meta.db_table, _COLUMNS[kind], rows)  # type: ignore[attr-defined]  # noqa: SLF001 -- Django's public interface to a model
        return run

    def _begun(self, acts: Sequence[Act]) -> tuple[int, datetime]:
        self.seq += 1
        seq, began = self.seq, self.clock
        for ordinal, act in enumerate(acts):
            self._act(seq, ordinal, act)
        self.clock += timedelta(milliseconds=30)
        return seq, began

    def _act(self, parent: int, ordinal: int, act: Act) -> None:
        self.seq += 1
        began, is_failed = self.clock, bool(act.error_code)
        self.clock += timedelta(milliseconds=act.milliseconds)
        self.n_failed, self.n_retries = self.n_failed + is_failed, self.n_retries + act.attempts - 1
        status = "failed" if is_failed else "succeeded"
        self._step(
            self.seq, parent, ordinal, began, kind=act.kind, name=act.tool, summary=act.summary, effect=act.effect, status=status,
            attempts=act.attempts, error_code=act.error_code,
        )  # fmt: skip
        self._outcome(act, status)

    def _step(self, seq: int, parent: int, ordinal: int | None, began: datetime, **told: Any) -> None:
        row = _PLAIN | told
        self.rows[Step].append((
            self.id, seq, self.version.team_id, parent, 1, int(parent > 0), ordinal, 1, row["kind"], row["name"], row["effect"],
            row["status"], False, row["summary"], row["attempts"], row["error_code"], 0, 0, 0, 1, self.worker_id, new_token(),
            began, self.clock,
        ))  # fmt: skip

    def _outcome(self, act: Act, status: str) -> None:
        args = dict(act.args)
        request = encode({"kind": act.kind, "name": act.tool, "args": args})
        result = encode(dict(act.result))
        request_hash = digest([act.kind, act.tool, args])
        place = (self.version.team_id, self.id, self.seq, request_hash)
        mac = outcome_mac(*place, result.codec, result.body, status=status)
        self.rows[Outcome].append((
            self.id, self.seq, self.version.team_id, request_hash, request.body, request.codec, result.body, result.codec, 1, mac,
        ))  # fmt: skip

    def _checkpoint(self, seq: int, delta: list[Any]) -> None:
        encoded, team_id = encode(delta), self.version.team_id
        parent, self.hash = self.head, checkpoint_hash(team_id, self.id, seq, self.hash, encoded)
        self.head = seq
        delta_row = (self.id, seq, "d", team_id, parent, 1, encoded.codec, encoded.body, 1, self.hash, None)
        self.rows[Checkpoint].append(delta_row)
        self.tail.add(delta)
        segment = self.tail.segment(team_id, self.id, seq, self.hash)
        if segment is not None:
            codec, body = segment.encoded.codec, segment.encoded.body
            segment_row = (
                self.id,
                seq,
                "g",
                team_id,
                segment.from_seq,
                1,
                codec,
                body,
                1,
                segment.mac,
                self.hash,
            )
            self.rows[Checkpoint].append(segment_row)
            self.tail.start_over(seq, self.hash)


def _copy(table: str, columns: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> None:
    with connection.cursor() as cursor:
        sql = f"COPY {table} ({', '.join(columns)}) FROM STDIN"
        with cursor.copy(sql) as copy:
            for row in rows:
                copy.write_row(row)


def database_now() -> datetime:
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        found: datetime = cursor.fetchone()[0]
    return found
