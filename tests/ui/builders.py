"""Runs with a history, inserted as the shell would have left them: chained, signed, with believable times."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection

from agentops.accounts.models import Membership, Team, User
from agentops.accounts.roles import Role
from agentops.common.canonical import digest
from agentops.common.ids import new_id
from runs.checkpoints.chain import checkpoint_hash, outcome_mac
from runs.checkpoints.codec import encode
from runs.checkpoints.store import genesis
from runs.checkpoints.verify import mac_of_end
from runs.models import (
    Agent,
    AgentVersion,
    Attempt,
    Checkpoint,
    ClockBeat,
    Intent,
    LogLine,
    Outcome,
    Run,
    Step,
    Worker,
)

CRAWL_SCHEMA = {
    "type": "object",
    "properties": {
        "root": {"type": "string", "title": "Root URL", "description": "Where the crawl begins.", "minLength": 8,
                 "examples": ["https://docs.example.org/"]},
        "max_pages": {"type": "integer", "title": "Pages at most", "default": 100, "minimum": 1, "maximum": 500},
        "politeness_seconds": {"type": "number", "title": "Pause between pages", "default": 0.5, "minimum": 0},
        "depth": {"type": "string", "title": "How deep", "enum": ["shallow", "normal", "deep"], "default": "normal"},
        "topics": {"type": "array", "items": {"type": "string"}, "title": "Topics", "description": "Only pages about these."},
        "follow_external": {"type": "boolean", "title": "Follow links to other hosts", "default": False},
        "options": {"type": "object", "title": "Other options", "properties": {"agent": {"type": "string"}}},
    },
    "required": ["root"],
    "additionalProperties": False,
}  # fmt: skip


@dataclass
class Action:
    """One action of a node. `output` is the error document when `status` is failed."""

    name: str = "http.get"
    args: dict[str, Any] = field(default_factory=dict)
    output: Any = None
    seconds: float = 0.4
    status: str = "succeeded"
    kind: str = "tool"
    effect: str = "read"
    attempts: int = 1
    summary: str = ""
    tries: Sequence[tuple[str, str]] = ()
    is_superseded: bool = False


def database_now() -> datetime:
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        now: datetime = cursor.fetchone()[0]
    return now


def a_person(team: Team, name: str = "ada", role: Role = Role.ADMIN) -> User:
    user, _ = User.objects.get_or_create(username=name, defaults={"email": f"{name}@example.org"})
    Membership.objects.update_or_create(team=team, user=user, defaults={"role": role.value})
    return user


def a_team(slug: str = "research") -> Team:
    return Team.objects.get_or_create(slug=slug, defaults={"name": slug.capitalize()})[0]


def an_agent(
    team: Team, slug: str = "site-research", schema: dict[str, Any] | None = None, program: str = ""
) -> AgentVersion:
    """Return the published version of an agent; its code need not be installed unless runs are started."""
    agent, made = Agent.objects.get_or_create(
        team=team,
        slug=slug,
        defaults={"title": slug, "description": "Crawls a site and writes a report with sources."},
    )
    if not made:
        return AgentVersion.objects.get(agent=agent, number=1)
    return AgentVersion.objects.create(
        team=team, agent=agent, number=1, program=program or slug, program_version="1", source_hash="0" * 64,
        input_schema=CRAWL_SCHEMA if schema is None else schema, published_at=database_now(),
    )  # fmt: skip


def living_system(n_workers: int = 2) -> None:
    """Insert beats of a clock and of workers, that are fresh for five minutes: so long a test may take on a busy machine."""
    beat_at = database_now() + timedelta(minutes=5)
    ClockBeat.objects.create(id=new_id(), host="test", pid=1, beat_at=beat_at)
    for pid in range(n_workers):
        Worker.objects.create(
            id=new_id(), host="test", boot_id="", pid_ns="", pid=100 + pid, pid_start=0, queues=["default"], beat_at=beat_at
        )  # fmt: skip


class RunBuilder:
    """Builds one run, step by step, along a clock that begins `seconds_ago`."""

    def __init__(
        self, version: AgentVersion, *, title: str = "Weekly docs review", state: Any = None, seconds_ago: float = 3600.0
    ) -> None:  # fmt: skip
        self.version, self.title = version, title
        self.now = database_now()
        self.clock = self.created_at = self.now - timedelta(seconds=seconds_ago)
        self.id: UUID = new_id()
        self.team_id = version.team_id
        self.first = encode(state or {"root": "https://docs.example.org/"})
        self.hash = genesis(self.team_id, self.id, self.first)
        self.input = state
        self.head = self.seq = 0
        self.rows: dict[type, list[Any]] = {
            model: [] for model in (Step, Outcome, Intent, Attempt, Checkpoint, LogLine)
        }
        self.worker_id = new_id()

    def node(
        self, name: str, *, summary: str = "", delta: Sequence[Any] = (), actions: Sequence[Action] = (),
        overhead_seconds: float = 0.05, status: str = "succeeded", attempts: int = 1, error_code: str = "",
        tries: Sequence[tuple[str, str]] = (), logs: Sequence[tuple[str, str]] = (), is_done: bool = True,
    ) -> int:  # fmt: skip
        """Add a node with its actions and return its seq; with `is_done=False` only its actions stand."""
        seq = self._next()
        began = self.clock
        for ordinal, action in enumerate(actions):
            self._action(seq, ordinal, action)
        self.clock += timedelta(seconds=overhead_seconds)
        self._tries(seq, tries)
        self._logs(seq, logs)
        if not is_done:
            return seq
        self._step(
            seq, name=name, kind="node", status=status, summary=summary, attempts=attempts, error_code=error_code,
            started_at=began, ended_at=self.clock,
        )  # fmt: skip
        if status == "succeeded":
            self._checkpoint(seq, list(delta))
        return seq

    def sleep(self, seconds: float) -> None:
        self.clock += timedelta(seconds=seconds)

    def save(self, *, status: str = "succeeded", **columns: Any) -> Run:
        steps: list[Step] = self.rows[Step]
        ended = (
            {}
            if status in ("running", "queued", "sleeping", "waiting", "paused", "awaiting_approval")
            else {"ended_at": self.clock}
        )
        nodes = [s for s in steps if s.kind == "node"]
        values = {
            "node": nodes[-1].name if nodes else "plan", "node_seq": nodes[-1].seq if ended and nodes else self.seq + 1,
            "n_steps": len(steps), "n_retries": sum(s.attempts - 1 for s in steps),
            "n_failed_steps": sum(s.status == "failed" for s in steps),
            "started_at": steps[0].started_at if steps else None, **ended, **columns,
        }  # fmt: skip
        if status == "running":
            values.setdefault("worker_id", self.worker_id)
            values.setdefault("node_at", self.clock)
        run = Run.objects.create(
            id=self.id, root_id=self.id, team_id=self.team_id, agent_id=self.version.agent_id,
            agent_version=self.version, title=self.title, status=status, input=self.first.body,
            input_codec=self.first.codec, head_hash=self.hash, head_seq=self.head,
            request_hash=digest(self.input), created_by="ada", **values,
        )  # fmt: skip
        Run.objects.filter(pk=run.pk).update(created_at=self.created_at, end_mac=mac_of_end(run))
        for model, rows in self.rows.items():
            model._default_manager.bulk_create(rows, batch_size=2000)  # type: ignore[attr-defined]
        return Run.objects.get(pk=run.pk)

    def _next(self) -> int:
        self.seq += 1
        return self.seq

    def _place(self, seq: int) -> dict[str, Any]:
        return {"run_id": self.id, "seq": seq, "team_id": self.team_id}

    def _step(self, seq: int, **columns: Any) -> None:
        self.rows[Step].append(Step(**self._place(seq), epoch=1, worker_id=self.worker_id, **columns))

    def _action(self, parent: int, ordinal: int, action: Action) -> None:
        seq, began = self._next(), self.clock
        self.clock += timedelta(seconds=action.seconds)
        is_open = action.status == "running"
        self._step(
            seq, parent_seq=parent, depth=1, ordinal=ordinal, kind=action.kind, name=action.name, effect=action.effect,
            status=action.status, attempts=action.attempts, summary=action.summary or next(iter(action.args.values()), ""),
            error_code=action.output.get("code", "") if action.status == "failed" else "", started_at=began,
            ended_at=None if is_open else self.clock, is_superseded=action.is_superseded,
        )  # fmt: skip
        self._outcome(seq, action, is_open=is_open)
        self._tries(seq, action.tries)
        if action.effect in ("write", "destructive"):
            self.rows[Intent].append(Intent(
                **self._place(seq), tool=action.name, tool_version="1", idempotency_key=f"idem_{self.id.hex}",
                request_hash=b"0" * 32, token=new_id(), epoch=1, deadline_at=self.clock + timedelta(seconds=60),
                settled_at=None if is_open else self.clock,
            ))  # fmt: skip

    def _outcome(self, seq: int, action: Action, *, is_open: bool) -> None:
        request = encode({"kind": action.kind, "name": action.name, "args": action.args})
        request_hash = digest([action.kind, action.name, action.args])
        body = encode(action.output)
        mac = outcome_mac(
            self.team_id, self.id, seq, request_hash, body.codec, body.body, status=action.status
        )
        filled = {} if is_open else {"body": body.body, "body_codec": body.codec}
        self.rows[Outcome].append(Outcome(
            **self._place(seq), request_hash=request_hash, request=request.body, request_codec=request.codec,
            mac=b"" if is_open else mac, **filled,
        ))  # fmt: skip

    def _tries(self, seq: int, tries: Sequence[tuple[str, str]]) -> None:
        for number, (code, message) in enumerate(tries, 1):
            at = self.clock - timedelta(seconds=len(tries) - number + 1)
            self.rows[Attempt].append(Attempt(
                **self._place(seq), number=number, error_code=code, message=message, detail=TRACE, retry_seconds=2.0 * number,
                started_at=at - timedelta(seconds=1), ended_at=at,
            ))  # fmt: skip

    def _logs(self, seq: int, logs: Sequence[tuple[str, str]]) -> None:
        for n, (level, message) in enumerate(logs):
            self.rows[LogLine].append(
                LogLine(**self._place(seq), n=n, level=level, message=message, at=self.clock)
            )

    def _checkpoint(self, seq: int, delta: list[Any]) -> None:
        encoded = encode(delta)
        link = checkpoint_hash(self.team_id, self.id, seq, self.hash, encoded)
        self.rows[Checkpoint].append(Checkpoint(
            **self._place(seq), kind="d", parent_seq=self.head, codec=encoded.codec, body=encoded.body, hash=link
        ))  # fmt: skip
        self.head, self.hash = seq, link


TRACE = """Traceback (most recent call last):
  File "runs/tools/http.py", line 88, in get
    response = client.get(url)
httpx.ReadTimeout: the server sent nothing for 10 s"""
