"""Checking values against JSON Schemas that other people wrote.

Nothing is fetched: a reference to another address is an error. Patterns run on an engine without backtracking, so
none of them can hold a process. Source: JSON Schema 2020-12.
"""

from functools import lru_cache
from typing import Any, NoReturn

import jsonschema_rs

from agentops.common.canonical import canonical_bytes
from agentops.common.errors import InvalidInputError
from agentops.common.types import JsonObject, JsonValue

MAX_ERRORS = 50
MAX_MESSAGE_CHARACTERS = 300


def check(value: JsonValue, schema: JsonObject, *, what: str) -> None:
    """Accept a value that fits the schema.

    Raises: InvalidInputError with a pointer and a sentence for each place that does not fit (MAX_ERRORS at most),
        also when the schema itself is not valid.
    """
    validator = _validator(_Key(schema))
    errors = []
    for error in validator.iter_errors(value):
        errors.append({"pointer": _pointer(error.instance_path), "message": _short(error.message)})
        if len(errors) == MAX_ERRORS:
            break
    if errors:
        first = errors[0]
        where = f" at {first['pointer']}" if first["pointer"] else ""
        raise InvalidInputError(f"{what} does not fit its schema{where}: {first['message']}", errors=errors)


def check_schema(schema: JsonObject) -> None:
    """Accept a schema that values can be checked against. Nothing is fetched for it.

    Raises: InvalidInputError
    """
    _validator(_Key(schema))


class _Key:
    """A schema as a key of the cache: equal when its JSON is."""

    def __init__(self, schema: JsonObject) -> None:
        self.schema = schema
        self.text = canonical_bytes(schema)

    def __hash__(self) -> int:
        return hash(self.text)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Key) and self.text == other.text


@lru_cache(maxsize=256)
def _validator(key: _Key) -> Any:
    try:
        return jsonschema_rs.validator_for(
            key.schema,
            validate_formats=True,
            retriever=_refuse,
            pattern_options=jsonschema_rs.RegexOptions(),
        )
    except (jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError, ValueError) as error:
        raise InvalidInputError(f"the schema itself is not valid: {_short(str(error))}") from error


def _refuse(uri: str) -> NoReturn:
    raise ValueError(f"references to other documents are not followed ({uri})")


def _pointer(path: list[str | int]) -> str:
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in path)


def _short(message: str) -> str:
    first = message.split("\n", 1)[0]
    return first if len(first) <= MAX_MESSAGE_CHARACTERS else first[: MAX_MESSAGE_CHARACTERS - 1] + "…"
