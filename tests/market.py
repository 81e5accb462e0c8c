"""A market on this machine: its price moves when a test says so; and agents that buy there with a person's permission."""

import contextlib
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

import pytest

from runs.engine.commands import Command
from runs.program import (
    Context,
    Finish,
    PremiseFailedError,
    Program,
    RetryPolicy,
    ToolCall,
    ToolError,
    budget_remaining,
    entry_point,
    file_sha256,
    http_etag,
    json_path_equals,
    node,
    premise,
    sql_row_hash,
    tool,
)
from tests.ledger import write_entry

STOCK: dict[str, int] = {}


@dataclass
class Market:
    """Answers `{"quote": {"price": price}}` with an ETag made of the price; `status` other than 200 is an outage."""

    url: str
    price: int = 100
    status: int = 200
    n_asked: int = 0

    @property
    def etag(self) -> str:
        return f'"p{self.price}"'


@contextlib.contextmanager
def a_market(monkeypatch: pytest.MonkeyPatch) -> Iterator[Market]:
    """Open a market on a port of this machine, which tools may reach meanwhile."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            market.n_asked += 1
            body = json.dumps({"quote": {"price": market.price}}).encode()
            self.send_response(market.status)
            self.send_header("ETag", market.etag)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        market = Market(f"http://127.0.0.1:{server.server_port}/quote")
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        monkeypatch.setenv("HTTP_ALLOW", urlsplit(market.url).netloc)
        try:
            yield market
        finally:
            server.shutdown()
            thread.join()


@premise("test.stock")
def stock(*, item: str) -> int:
    """Return how many are left."""
    return STOCK[item]


@tool("test.buy", effect="write")
def buy(call: ToolCall, *, entry: str) -> dict[str, Any]:
    """Write to the outside ledger."""
    return write_entry(call, entry)


@tool("test.buy_slowly", effect="write", retry=RetryPolicy(max_attempts=3))
def buy_slowly(call: ToolCall, *, entry: str) -> dict[str, Any]:
    """Write to the ledger, lose the answer of the first call, and ask for time before the next."""
    written = write_entry(call, entry)
    if call.attempt == 1:
        raise ToolError("no answer", code="timeout", retry_after_seconds=30, is_outcome_unknown=True)
    return written


class Buys(Program):
    """Buys with permission, if the premises that its input names hold."""

    name = "test-buys"

    @node(start=True)
    def start(self, ctx: Context, state: Any) -> Command:
        given = {key: state[key] for key in ("on_mismatch", "max_asks") if key in state}
        try:
            bought = ctx.approved_tool(
                state.get("tool", "test.buy"), {"entry": state["entry"]}, premises=[_premise(it) for it in state["premises"]],
                summary="Buy at this price?", **given,
            )  # fmt: skip
        except PremiseFailedError as error:
            if not state.get("catch"):
                raise
            return Finish(output={"void": [dict(it) for it in error.premises]})
        return Finish(output=bought)


def _premise(told: dict[str, Any]) -> Any:
    make: dict[str, Any] = {
        "etag": http_etag,
        "json": json_path_equals,
        "file": file_sha256,
        "python": entry_point,
        "row": sql_row_hash,
    }
    args = dict(told)
    if args["kind"] == "budget":
        return budget_remaining(cost_microusd=args["cost_microusd"])
    return make[args.pop("kind")](args.pop("of"), **args)
