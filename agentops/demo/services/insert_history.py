"""Long runs for looking at: inserted as workers would have left them, since executing them takes too long to wait for.

Every row is whole: checkpoints and segments are chained and signed, outcomes bear their codes, so such a run can be
verified, compared and forked like any other.
"""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import connection

from agentops.accounts.roles import Actor, Scope
from agentops.common.canonical import digest
from agentops.common.errors import BadRequestError
from agentops.common.ids import new_id, new_token
from agentops.common.transactions import transaction
from runs.checkpoints.chain import checkpoint_hash, outcome_mac
from runs.checkpoints.codec import encode
from runs.checkpoints.segments import Tail
from runs.checkpoints.store import genesis
from runs.checkpoints.verify import mac_of_end
from runs.models import AgentVersion, Checkpoint, Outcome, Run, Step
from runs.selectors.agents import version_for

MAX_STEPS = 1_000_000
FAIL_EVERY, RETRY_EVERY = 997, 89
LOOP = ("search", "read", "note")
PAUSE_EVERY, PAUSE_SECONDS = 20_000, 5400.0
HEAVY_BYTES = 5_000_000

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


def insert_history(*, actor: Actor, shape: str, n_steps: int) -> Run:
    """Insert an ended run of `many-steps` with about `n_steps` steps and return it.

    Args:
        actor: on whose behalf.
        shape: a name in SHAPES.
        n_steps: nodes and actions together.

    Raises: NotAllowedError, NotFoundError, BadRequestError for a shape or number that makes no sense.
    Transaction: one.
    """
    actor.require(Scope.RUN)
    if shape not in SHAPES or not 2 <= n_steps <= MAX_STEPS:
        raise BadRequestError(
            f"a shape is one of {', '.join(SHAPES)}, with 2 to {MAX_STEPS:,} steps",
            shape=shape,
            steps=n_steps,
        )
    version = version_for(actor, "many-steps")
    with transaction():
        history = _History(version, n_steps, _now() - timedelta(seconds=0.4 * n_steps))
        SHAPES[shape](history, n_steps)
        return history.saved(f"{history.seq:,} steps, inserted ({shape})", str(actor.user_id))


def _loop(history: "_History", n_steps: int) -> None:
    """A long loop of three nodes, each with an action."""
    for number in range(n_steps // 2):
        name = LOOP[number % len(LOOP)]
        if number and number % PAUSE_EVERY == 0:
            history.clock += timedelta(seconds=PAUSE_SECONDS)
        history.node(name, [(f"{name}.page", number)], delta=_delta(number))


def _wide(history: "_History", n_steps: int) -> None:
    """One node with nearly all actions, between two small ones."""
    history.node("plan", [("sitemap.list", 0)], delta=[["set", "/todo", n_steps]])
    history.node(
        "read", [("http.get", number) for number in range(n_steps - 4)], delta=[["set", "/done", n_steps]]
    )
    history.node("report", [], delta=[["remove", "/todo", None]])


def _mixed(history: "_History", n_steps: int) -> None:
    """Nodes of many names, so that hardly anything folds."""
    for number in range(n_steps // 2):
        history.node(f"topic {number % 97}", [("http.get", number)], delta=_delta(number))


def _heavy(history: "_History", n_steps: int) -> None:
    """Nodes whose state grows to HEAVY_BYTES."""
    text = "All pages cite their source. " * (HEAVY_BYTES // (n_steps // 2) // 29)
    for number in range(n_steps // 2):
        history.node("read", [("http.get", number)], delta=[["append", "/texts", [f"{number} {text}"]]])


SHAPES: dict[str, Callable[["_History", int], None]] = {
    "loop": _loop,
    "wide": _wide,
    "mixed": _mixed,
    "heavy": _heavy,
}


def _delta(number: int) -> list[Any]:
    return [["set", "/done", number + 1], ["append", "/log", [f"page {number}"]]]


class _History:
    """The rows of one run, written down in the order of its clock."""

    def __init__(self, version: AgentVersion, n_steps: int, began_at: datetime) -> None:
        self.version, self.id, self.worker_id = version, new_id(), new_id()
        self.clock = self.began_at = began_at
        self.seq = self.head = self.n_failed = self.n_retries = 0
        self.input = encode({"steps": n_steps})
        self.hash = genesis(version.team_id, self.id, self.input)
        self.tail = Tail(0, self.hash)
        self.rows: dict[type, list[tuple[Any, ...]]] = {kind: [] for kind in _COLUMNS}

    def node(self, name: str, actions: Sequence[tuple[str, int]], *, delta: list[Any]) -> None:
        self.seq += 1
        seq, began = self.seq, self.clock
        for ordinal, (tool, number) in enumerate(actions):
            self._action(seq, ordinal, tool, number)
        self.clock += timedelta(milliseconds=30)
        self._step(seq, 0, None, began, kind="node", name=name, summary=f"page {seq:,}")
        self._checkpoint(seq, delta)

    def saved(self, title: str, by: str) -> Run:
        output = encode({"steps": self.seq})
        run = Run.objects.create(
            id=self.id, root_id=self.id, team_id=self.version.team_id, agent_id=self.version.agent_id,
            agent_version=self.version, title=title, status="succeeded", batch_id="demo-data", input=self.input.body,
            input_codec=self.input.codec, output=output.body, output_codec=output.codec, head_seq=self.head,
            head_hash=self.hash, node=self.rows[Step][-1][9], node_seq=self.head, n_steps=self.seq, n_retries=self.n_retries,
            n_failed_steps=self.n_failed, progress_done=self.seq, progress_total=self.seq, request_hash=digest(title),
            created_by=by, started_at=self.began_at, ended_at=self.clock,
        )  # fmt: skip
        Run.objects.filter(pk=run.pk).update(created_at=self.began_at, end_mac=mac_of_end(run))
        for kind, rows in self.rows.items():
            _copy(kind._meta.db_table, _COLUMNS[kind], rows)  # type: ignore[attr-defined]  # noqa: SLF001 -- Django's public interface to a model
        return run

    def _action(self, parent: int, ordinal: int, tool: str, number: int) -> None:
        self.seq += 1
        began, is_failed, is_retried = (
            self.clock,
            number % FAIL_EVERY == FAIL_EVERY - 1,
            number % RETRY_EVERY == RETRY_EVERY - 1,
        )
        self.clock += timedelta(milliseconds=40 + 37 * number % 300)
        self.n_failed, self.n_retries = self.n_failed + is_failed, self.n_retries + is_retried
        url = f"https://docs.example.org/page/{number}"
        self._step(
            self.seq, parent, ordinal, began, kind="tool", name=tool, summary=url, effect="read",
            status="failed" if is_failed else "succeeded", attempts=1 + is_retried, error_code="http_timeout" if is_failed else "",
        )  # fmt: skip
        body = (
            {"code": "http_timeout", "message": f"{url} sent nothing for 10 s"}
            if is_failed
            else {"words": 800 + number % 900}
        )
        self._outcome(tool, {"url": url}, body, "failed" if is_failed else "succeeded")

    def _step(self, seq: int, parent: int, ordinal: int | None, began: datetime, **told: Any) -> None:
        row = _PLAIN | told
        self.rows[Step].append((
            self.id, seq, self.version.team_id, parent, 1, int(parent > 0), ordinal, 1, row["kind"], row["name"], row["effect"],
            row["status"], False, row["summary"], row["attempts"], row["error_code"], 0, 0, 0, 1, self.worker_id, new_token(),
            began, self.clock,
        ))  # fmt: skip

    def _outcome(self, tool: str, args: dict[str, Any], body: Any, status: str) -> None:
        request, result = encode({"kind": "tool", "name": tool, "args": args}), encode(body)
        request_hash = digest(["tool", tool, args])
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


def _now() -> datetime:
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        found: datetime = cursor.fetchone()[0]
    return found
