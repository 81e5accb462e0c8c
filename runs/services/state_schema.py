"""Checking the state that a node would leave, and what a run would put out, against the schemas of its program."""

from typing import Any

from agentops.common.errors import InvalidInputError
from agentops.common.types import JsonValue
from runs.engine.errors import OutputSchemaError, StateSchemaError
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


def check_output(program: Program, output: JsonValue) -> None:
    """Return when the output fits `program.output_schema`, or when there is none.

    Raises: OutputSchemaError naming the first place that does not fit.
    """
    if program.output_schema is None:
        return
    try:
        check(output, program.output_schema, what="the output")
    except InvalidInputError as error:
        raise OutputSchemaError(error.detail) from error
