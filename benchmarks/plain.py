"""The agent of W5 without a runtime: the same program and the same retries, kept in memory; `python -m benchmarks.plain`.

`--root URL` works in this process until the report is published; `--serve PORT` does so within a request, for each
`POST /` whose body is the address.
"""

import argparse
import json
import random
import time
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from uuid import UUID

import django

django.setup()

from agentops.common.canonical import Cleaner  # noqa: E402 -- Django must stand before
from agentops.common.ids import new_id  # noqa: E402
from runs.engine.commands import Advance, Finish, Goto  # noqa: E402
from runs.engine.context import Context  # noqa: E402
from runs.engine.frozen import freeze  # noqa: E402
from runs.engine.journal import Execute, NodeJournal, Recorded  # noqa: E402
from runs.engine.tools import ToolCall  # noqa: E402
from runs.engine.updates import apply_delta  # noqa: E402
from runs.programs import get_program  # noqa: E402
from runs.services.calling import call_tool  # noqa: E402
from runs.tools.registry import get_tool  # noqa: E402

NOBODY = UUID(int=0)


class PlainShell:
    """Calls tools with their retries, and remembers nothing. A page that cannot be read is passed over."""

    def __init__(self, node: str) -> None:
        self.node, self.began = node, time.monotonic()

    def perform(self, actions: Sequence[Execute], max_parallel: int) -> list[Recorded]:
        return [self._performed(action) for action in actions]

    def now_iso(self) -> str:
        return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())

    def notes_behind(self, after: int) -> list[Any]:
        return []

    def worked_seconds(self) -> float:
        return time.monotonic() - self.began

    def random(self) -> float:
        return random.random()

    def progress(self, done: int, total: int | None, note: str) -> None:
        """Nobody looks."""

    def log(self, level: str, message: str) -> None:
        """Nobody reads it."""

    def workspace(self) -> Path:
        raise NotImplementedError

    def _performed(self, action: Execute) -> Recorded:
        spec = get_tool(action.request.name)
        call = ToolCall(NOBODY, NOBODY, action.seq, 0, str(new_id()), spec.timeout_seconds)
        attempts = 0
        while True:
            tried = call_tool(spec, action.request.args, call, attempts=attempts, confirm=lambda: None)
            if tried.retry_seconds is None:
                break
            attempts = tried.attempts
            time.sleep(tried.retry_seconds)
        is_passed_over = tried.error is not None and self.node == "read"
        error = None if is_passed_over else tried.error
        return Recorded(
            action.seq, action.ordinal, action.request.name, action.request_hash, "failed" if error else "succeeded",
            attempts=tried.attempts, output=None if tried.error else tried.output, error=error,
        )  # fmt: skip


def research(root: str, max_pages: int) -> Any:
    """Return what the run puts out.

    Raises: what a node raises when its tries are over.
    """
    program, state = (
        get_program("bench-research")(),
        freeze({"root": root, "max_pages": max_pages, "ask_first": False}),
    )
    node = program.start_node
    while True:
        command = _tried(program, node, state)
        apply_delta(state, command.updates.delta(Cleaner()))
        if isinstance(command, Finish):
            return command.output
        assert isinstance(command, Goto)
        node = command.node


def _tried(program: Any, node: str, state: Any) -> Advance:
    for attempt in (1, 2, 3):
        context = Context(
            PlainShell(node), NodeJournal([], next_seq=1, max_actions=1000), run_id=new_id(), agent="plain", attempt=attempt
        )  # fmt: skip
        try:
            command = program.run_node(node, context, state)
        except Exception:
            if attempt == 3:
                raise
        else:
            assert isinstance(command, Advance), command
            return command
    raise AssertionError("the third try returns or raises")


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        given = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        try:
            research(given["root"], given["max_pages"])
        except Exception:  # noqa: BLE001 -- what a request handler does
            self.send_error(500)
            return
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root")
    parser.add_argument("--max-pages", type=int, default=12)
    parser.add_argument("--serve", type=int)
    given = parser.parse_args()
    if given.serve:
        ThreadingHTTPServer(("127.0.0.1", given.serve), _Handler).serve_forever()
    else:
        research(given.root, given.max_pages)


if __name__ == "__main__":
    main()
