"""LangGraph on PostgreSQL: a graph of one node that runs N times, one checkpoint a step (`durability="sync"`).

saver  PostgresSaver with `add_messages`, as its documentation shows
delta  the same saver with DeltaChannel (beta) for both parts of the state, at its default of a snapshot in 100
"""

import argparse
import statistics
import time
import warnings
from itertools import pairwise
from typing import Annotated, Any, TypedDict

from psycopg.rows import dict_row

from benchmarks import database, workload
from benchmarks.figures import emit, milliseconds, percentile, versions

warnings.simplefilter("ignore")

from langchain_core.messages import AIMessage  # noqa: E402 -- they warn while they are imported
from langgraph.channels.delta import DeltaChannel  # noqa: E402
from langgraph.checkpoint.postgres import PostgresSaver  # noqa: E402
from langgraph.graph import END, START, StateGraph  # noqa: E402
from langgraph.graph.message import _messages_delta_reducer, add_messages  # noqa: E402

DATABASE = "bench_langgraph"
THREAD = {"configurable": {"thread_id": "one"}}
N_REBUILT = 20


def merge(state: dict[str, str], writes: list[dict[str, str]]) -> dict[str, str]:
    for changed in writes:
        state = {**state, **changed}
    return state


class Saved(TypedDict):
    messages: Annotated[list[Any], add_messages]
    scratch: dict[str, str]
    i: int


class Delta(TypedDict):
    messages: Annotated[list[Any], DeltaChannel(_messages_delta_reducer)]
    scratch: Annotated[dict[str, str], DeltaChannel(merge)]
    i: int


class Graph:
    """The graph, and when each of its steps began."""

    def __init__(self, variant: str, n: int) -> None:
        self.is_delta, self.n = variant == "delta", n
        self.steps = [(_message(said), changed) for said, changed in workload.steps(n)]
        self.entries: list[float] = []
        self.builder = StateGraph(Delta if self.is_delta else Saved)
        self.builder.add_node("step", self.step)
        self.builder.add_edge(START, "step")
        self.builder.add_conditional_edges("step", lambda state: "step" if state["i"] < self.n else END)

    def step(self, state: dict[str, Any]) -> dict[str, Any]:
        self.entries.append(time.perf_counter())
        said, changed = self.steps[state["i"]]
        scratch = changed if self.is_delta else {**state["scratch"], **changed}
        return {"messages": [said], "scratch": scratch, "i": state["i"] + 1}


def _message(said: dict[str, Any]) -> AIMessage:
    call = said["tool_call"]
    calls = [{"id": call["id"], "name": call["name"], "args": call["args"]}]
    return AIMessage(
        id=said["id"], content=said["content"], tool_calls=calls, additional_kwargs={"result": call["result"]}
    )


def measure(variant: str, n: int) -> dict[str, tuple[float | None, str]]:
    graph, beginning = Graph(variant, n), {**workload.initial(), "i": 0}
    with database.connect(DATABASE, prepare_threshold=0, row_factory=dict_row) as connection:
        saver: Any = PostgresSaver(connection)
        saver.setup()
        compiled = graph.builder.compile(checkpointer=saver)
        with database.connect(DATABASE) as watching:
            written = database.wal_bytes(watching)
            began = time.perf_counter()
            compiled.invoke(beginning, {**THREAD, "recursion_limit": n + 10}, durability="sync")
            seconds = time.perf_counter() - began
            written = database.wal_bytes(watching) - written
        grown = database.disk_bytes(DATABASE)
        rebuilt = rebuilding(compiled, n)
    return {
        "commits": (round(n / seconds, 1), "1/s"),
        **milliseconds([later - earlier for earlier, later in pairwise(graph.entries)]),
        "growth": (round(grown / 1e6, 3), "MB"),
        "wal": (round(written / 1e6, 3), "MB"),
        **rebuilt,
    }


def rebuilding(compiled: Any, n: int) -> dict[str, tuple[float | None, str]]:
    """Read the state after some of the steps, each compared with the true one."""
    every = max(n // N_REBUILT, 1)
    wanted = range(every, n + 1, every)
    ids = {
        row["step"]: row["checkpoint_id"]
        for row in compiled.checkpointer.conn.execute(
            "SELECT checkpoint_id, (metadata->>'step')::int AS step FROM checkpoints"
        )
    }
    taken: dict[int, float] = {}
    for step, truth in enumerate(workload.states(n), 1):
        if step not in wanted:
            continue
        place = {"configurable": {**THREAD["configurable"], "checkpoint_id": ids[step]}}
        seconds = []
        for _ in range(3):
            began = time.perf_counter()
            values = compiled.get_state(place).values
            seconds.append(time.perf_counter() - began)
        taken[step] = statistics.median(seconds)
        assert (len(values["messages"]), values["scratch"], values["i"]) == (step, truth["scratch"], step)
    return {
        "rebuild_p50": (round(statistics.median(taken.values()) * 1e3, 2), "ms"),
        "rebuild_p99": (round(percentile(list(taken.values()), 99) * 1e3, 2), "ms"),
        "rebuild_middle": (round(taken[n // 2 // every * every] * 1e3, 2), "ms"),
        "rebuild_last": (round(taken[n // every * every] * 1e3, 2), "ms"),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--variant", choices=["saver", "delta"], default="saver")
    parser.add_argument("--steps", type=int, default=1000)
    given = parser.parse_args()
    database.create(DATABASE)
    try:
        figures = measure(given.variant, given.steps)
    finally:
        database.drop(DATABASE)
    name = {"saver": "langgraph PostgresSaver", "delta": "langgraph DeltaChannel"}[given.variant]
    emit(
        f"W1 n={given.steps}",
        name,
        figures,
        versions("langgraph", "langgraph-checkpoint-postgres", "psycopg"),
    )


if __name__ == "__main__":
    main()
