"""Checking the state that a node would leave against its program's schema."""

from typing import Any

from agentops.common.errors import InvalidInputError
from runs.engine.errors import StateSchemaError
from runs.engine.frozen import thaw
from runs.engine.program import Program
from runs.json_schema import check


def check_state(program: Program, state: Any) -> None:
    """Return when the state fits `program.state_schema`, or when there is none.

    Raises: StateSchemaError naming the first place that does not fit.
    """
    if program.state_schema is None:
        return
    try:
        check(thaw(state), program.state_schema, what="the state")
    except InvalidInputError as error:
        raise StateSchemaError(error.detail) from error
