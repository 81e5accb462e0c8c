"""Everything that may happen to a worker, at any statement that it sends and around any call that it makes.

The statements go to the real database. Before or after one of them the worker may be killed, be taken for dead while
another one goes on with its run, lose its connection with or without the commit, or find that a person has paused
the run.
"""

import random
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import patch
from uuid import UUID

import psycopg

from runs import claims
from runs.engine.control import ControlSignal
from runs.journal import actions, fence, nodes
from runs.services.advance import advance
from runs.services.sweep import requeue_orphans
from tests.property.world import world
from tests.runs import a_worker

Execute = Callable[[str, Mapping[str, Any]], Any]

STATEMENTS = (
    "kill before",
    "kill after",
    "steal before",
    "steal after",
    "cut before",
    "cut after",
    "pause before",
)
CALLS = ("kill before", "steal before")
BURY = "UPDATE runs_worker SET dead_at = clock_timestamp(), dead_reason = %(reason)s WHERE id = %(id)s"
PAUSE = "UPDATE runs_run SET control = 'pause' WHERE id = %(id)s AND status = 'running' AND control = ''"
HOLDER = "SELECT worker_id FROM runs_run WHERE id = %(id)s AND status = 'running'"


class Killed(ControlSignal):
    """The worker process is gone: nothing that it would have done happens."""


@dataclass
class Trouble:
    """At most `budget` things happen, each with the chance `rate` at every occasion; `log` tells which."""

    run_id: UUID
    chance: random.Random
    budget: int
    rate: float
    is_dead: bool = False
    depth: int = 0
    n_statements: int = 0
    log: list[str] = field(default_factory=list)
    seen: Counter[str] = field(default_factory=Counter)
    _real: Execute = fence.execute
    _thread: int = field(default_factory=threading.get_ident)

    @contextmanager
    def brewing(self) -> Iterator[None]:
        """Put this between the runtime and the database, and between the tools and the world."""
        execute, query = self._around(fence.execute), self._around(fence.query)
        places = [(fence, "execute", execute), (nodes, "execute", execute), (actions, "execute", execute),
                  (actions, "query", query), (claims, "query", query)]  # fmt: skip
        with ExitStack() as stack:
            for module, name, wrapped in places:
                stack.enter_context(patch.object(module, name, wrapped))
            stack.enter_context(patch.object(fence, "_FIRST_PAUSE_SECONDS", 0.0))
            stack.enter_context(patch.object(world, "meddle", self._around_call))
            yield

    def _around(self, real: Execute) -> Execute:
        def send(sql: str, params: Mapping[str, Any]) -> Any:
            self._stop_when_dead()
            self.n_statements += 1
            what = self._next(STATEMENTS)
            if what.endswith("before"):
                self._happen(what)
            answer = real(sql, params)
            if what.endswith("after"):
                self._happen(what)
            return answer

        return send

    def _around_call(self, moment: str) -> None:
        self._stop_when_dead()
        what = self._next(CALLS)
        if what and not (what == "steal before" and moment == "after the call"):
            self._happen(what, moment)

    def _next(self, possible: tuple[str, ...]) -> str:
        """Return what happens now, if anything; only the slice's own thread can meet with a takeover."""
        is_main = threading.get_ident() == self._thread
        if not is_main or self.budget <= 0 or self.chance.random() >= self.rate:
            return ""
        self.budget -= 1
        return self.chance.choice(possible)

    def _happen(self, what: str, where: str = "") -> None:
        self.log.append(f"{self.n_statements}: {what} {where}".strip())
        self.seen[what] += 1
        kind = what.split(maxsplit=1)[0]
        if kind == "kill":
            self.is_dead = True
            raise Killed
        if kind == "cut":
            raise psycopg.OperationalError("the connection was cut")
        if kind == "pause":
            self._real(PAUSE, {"id": self.run_id})
        elif self.depth == 0:
            self._steal()

    def _steal(self) -> None:
        """Let another worker take the run over and go on for a slice, while this one believes that it holds it."""
        holder = self._real(HOLDER, {"id": self.run_id})
        if holder is None:
            return
        self.bury(holder[0], "missed its beats")
        self.depth += 1
        try:
            for claimed in claims.claim(worker_id=a_worker(), queue="default", limit=1):
                advance(claimed)
        except psycopg.OperationalError:
            self.log.append("the claim's answer was lost")
        finally:
            self.depth -= 1

    def _stop_when_dead(self) -> None:
        if self.is_dead:
            raise Killed

    def bury(self, worker_id: UUID, reason: str) -> None:
        """Declare the worker dead, as its beater or the clock does; its runs are queued again."""
        self._real(BURY, {"id": worker_id, "reason": reason})
        with patch.object(fence, "execute", self._real):
            requeue_orphans()
