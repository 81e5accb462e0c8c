"""Checking the state that a node would leave against its program's schema."""

import json
from functools import lru_cache
from typing import Any

import jsonschema_rs

from runs.engine.errors import StateSchemaError
from runs.engine.frozen import thaw
from runs.engine.program import Program


def check_state(program: Program, state: Any) -> None:
    """Return when the state fits `program.state_schema`, or when there is none.

    Raises: StateSchemaError naming the first place that does not fit.
    """
    if program.state_schema is None:
        return
    error = next(iter(_validator(json.dumps(program.state_schema)).iter_errors(thaw(state))), None)
    if error is not None:
        pointer = "/" + "/".join(str(part) for part in error.instance_path)
        raise StateSchemaError(
            f"the state does not fit the schema of {program.name!r} at {pointer}: {error.message}"
        )


@lru_cache(maxsize=256)
def _validator(schema: str) -> Any:
    return jsonschema_rs.validator_for(json.loads(schema), retriever=_refuse)


def _refuse(uri: str) -> Any:
    raise ValueError(f"a schema may not refer to another place: {uri}")
