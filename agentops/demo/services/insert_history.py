"""Long runs for looking at: inserted as workers would have left them, since executing them takes too long to wait for.

Every row is whole: checkpoints and segments are chained and signed, outcomes bear their codes, so such a run can be
verified, compared and forked like any other.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from agentops.accounts.roles import Actor, Scope
from agentops.common.errors import BadRequestError
from agentops.common.transactions import transaction
from agentops.demo.services.history import Act, History, database_now
from runs.models import AgentVersion, Run
from runs.selectors.agents import version_for

MAX_STEPS = 1_000_000
FAIL_EVERY, RETRY_EVERY = 997, 89
LOOP = ("search", "read", "note")
PAUSE_EVERY, PAUSE_SECONDS = 20_000, 5400.0
HEAVY_BYTES = 5_000_000
DEEP, LEVELS = "deep", 200


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
        began_at = database_now() - timedelta(seconds=0.4 * n_steps)
        if shape == DEEP:
            return _deep(version, n_steps, began_at, str(actor.user_id))
        history = History(version, {"steps": n_steps}, began_at)
        _FLAT[shape](history, n_steps)
        return _saved(history, f"{history.seq:,} steps, inserted ({shape})", str(actor.user_id))


def _saved(history: History, title: str, by: str, **columns: Any) -> Run:
    done = {"progress_done": history.seq, "progress_total": history.seq}
    return history.saved(title, by, output={"steps": history.seq}, **done, **columns)


def _deep(version: AgentVersion, n_steps: int, began_at: datetime, by: str) -> Run:
    """Insert a tree of LEVELS runs of which each is the child of the one above, and return its root."""
    levels = [History(version, {"steps": n_steps // LEVELS}, began_at) for _ in range(LEVELS)]
    runs, above = list[Run](), dict[str, Any]()
    for depth, history in enumerate(levels):
        _loop(history, n_steps // LEVELS - 2)
        below = levels[depth + 1 : depth + 2]
        history.node("delegate", [_child(one) for one in below], delta=[["set", "/delegated", len(below)]])
        title = f"level {depth} of {LEVELS}, inserted ({DEEP})"
        family = {"root_id": levels[0].id, "depth": depth, "is_parent": bool(below), "is_told": True}
        runs.append(_saved(history, title, by, **family, **above))
        above = {"parent_id": history.id, "parent_seq": history.seq, "child_n": 0}
    return runs[0]


def _child(history: History) -> Act:
    ended = {"index": 0, "run_id": str(history.id), "status": "succeeded", "output": None, "error": None}
    return Act(
        "many-steps", {"input": dict(history.given), "on_parent_end": "cascade"}, {"children": [ended]},
        f"run {history.id}", 900, effect="", kind="child_run",
    )  # fmt: skip


def _loop(history: History, n_steps: int) -> None:
    """A long loop of three nodes, each with an action."""
    for number in range(n_steps // 2):
        name = LOOP[number % len(LOOP)]
        if number and number % PAUSE_EVERY == 0:
            history.clock += timedelta(seconds=PAUSE_SECONDS)
        history.node(name, [_page(f"{name}.page", number)], delta=_delta(number))


def _wide(history: History, n_steps: int) -> None:
    """One node with nearly all actions, between two small ones."""
    history.node("plan", [_page("sitemap.list", 0)], delta=[["set", "/todo", n_steps]])
    history.node(
        "read",
        [_page("http.get", number) for number in range(n_steps - 4)],
        delta=[["set", "/done", n_steps]],
    )
    history.node("report", [], delta=[["remove", "/todo", None]])


def _mixed(history: History, n_steps: int) -> None:
    """Nodes of many names, so that hardly anything folds."""
    for number in range(n_steps // 2):
        history.node(f"topic {number % 97}", [_page("http.get", number)], delta=_delta(number))


def _heavy(history: History, n_steps: int) -> None:
    """Nodes whose state grows to HEAVY_BYTES."""
    text = "All pages cite their source. " * (HEAVY_BYTES // (n_steps // 2) // 29)
    for number in range(n_steps // 2):
        history.node("read", [_page("http.get", number)], delta=[["append", "/texts", [f"{number} {text}"]]])


_FLAT: dict[str, Callable[[History, int], None]] = {
    "loop": _loop,
    "wide": _wide,
    "mixed": _mixed,
    "heavy": _heavy,
}
SHAPES = (*_FLAT, DEEP)


def _delta(number: int) -> list[Any]:
    return [["set", "/done", number + 1], ["append", "/log", [f"page {number}"]]]


def _page(tool: str, number: int) -> Act:
    url = f"https://docs.example.org/page/{number}"
    is_failed, is_retried = number % FAIL_EVERY == FAIL_EVERY - 1, number % RETRY_EVERY == RETRY_EVERY - 1
    said = (
        {"code": "http_timeout", "message": f"{url} sent nothing for 10 s"}
        if is_failed
        else {"words": 800 + number % 900}
    )
    return Act(
        tool, {"url": url}, said, url, 40 + 37 * number % 300, attempts=1 + is_retried,
        error_code="http_timeout" if is_failed else "",
    )  # fmt: skip
