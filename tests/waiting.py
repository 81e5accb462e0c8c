"""Programs that wait, for the tests."""

from typing import Any

from runs.engine.commands import Command
from runs.engine.waits import Condition
from runs.program import (
    ActionFailedError,
    Context,
    Finish,
    Program,
    RejectedError,
    WaitTimeoutError,
    child,
    event,
    node,
    signal,
)


def condition(told: dict[str, Any]) -> Condition:
    """Return the condition that a test describes as JSON."""
    more = {key: value for key, value in told.items() if key not in ("kind", "name")}
    if told["kind"] == "child":
        return child(told["name"], **more)
    return event(told["name"], **more) if told["kind"] == "event" else signal(told["name"])


class Waits(Program):
    """Waits for what its input says, `rounds` times, and finishes with what came."""

    name = "test-waits"

    @node(start=True)
    def start(self, ctx: Context, state: Any) -> Command:
        wait = ctx.wait_for_all if state.get("all") else ctx.wait_for
        came = []
        try:
            for _ in range(state.get("rounds", 1)):
                conditions = [condition(told) for told in state["for"]]
                came.append(wait(*conditions, timeout_seconds=state.get("timeout_seconds", 3600)))
        except WaitTimeoutError as error:
            return Finish(output={"late": str(error), "fired": [fired["index"] for fired in error.fired]})
        except ActionFailedError as error:
            return Finish(output={"failed": error.error_code, "message": str(error)})
        ctx.tool("test.ledger", entry=f"woken {ctx.run_id}")
        return Finish(output=came[0] if len(came) == 1 else came)


class Asks(Program):
    """Asks a person what its input says."""

    name = "test-asks"

    @node(start=True)
    def start(self, ctx: Context, state: Any) -> Command:
        given = {key: state[key] for key in ("timeout_seconds", "on_timeout") if key in state}
        try:
            if "question" in state:
                more = {key: state[key] for key in ("schema", "choices") if key in state}
                return Finish(output={"answer": ctx.ask(state["question"], **more, **given)})
            return Finish(
                output={"args": ctx.approve("pay", args=state["args"], summary="Pay the bill", **given)}
            )
        except RejectedError as error:
            return Finish(output={"rejected": error.message, "by": error.by})
