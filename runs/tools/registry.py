"""The registry of tools, and the decorator that puts one into it."""

import inspect
from collections.abc import Callable
from typing import Any, TypeVar

import pydantic

from agentops.common.types import JsonObject, JsonValue
from runs.engine.errors import ProgramError, ToolError
from runs.engine.retry import RetryPolicy
from runs.engine.tools import Effect, ToolCall, ToolSpec

F = TypeVar("F", bound=Callable[..., Any])

_tools: dict[str, ToolSpec] = {}


def tool(
    name: str,
    *,
    effect: Effect | str,
    version: str = "1",
    idempotent: bool = True,
    timeout_seconds: float = 60.0,
    retry: RetryPolicy | None = None,
    key_template: str = "",
    output_schema: JsonObject | None = None,
) -> Callable[[F], F]:
    """Register a function `(call, *, …) -> JSON` as the tool `name`.

    The JSON Schema of its arguments comes from the annotations; arguments that do not fit are refused before
    the call. `effect` says what the tool does to the world; a `write` gets an intent row and an idempotency
    key before it is called, and must honour that key unless `idempotent=False`.
    """

    def register(function: F) -> F:
        spec = ToolSpec(
            name=name,
            effect=Effect(effect),
            run=_checked(function),
            version=version,
            idempotent=idempotent,
            timeout_seconds=timeout_seconds,
            retry=retry or RetryPolicy(),
            key_template=key_template,
            args_schema=_arguments(function).model_json_schema(),
            output_schema=output_schema,
            description=inspect.cleandoc(function.__doc__ or ""),
        )
        _tools[name] = spec
        return function

    return register


def get_tool(name: str) -> ToolSpec:
    """Return the registered tool.

    Raises: ProgramError naming the tools that exist.
    """
    if name not in _tools:
        raise ProgramError(
            f"there is no tool {name!r}; registered are: {', '.join(sorted(_tools)) or 'none'}"
        )
    return _tools[name]


def all_tools() -> list[ToolSpec]:
    return [_tools[name] for name in sorted(_tools)]


def _arguments(function: Callable[..., Any]) -> type[pydantic.BaseModel]:
    _, *parameters = inspect.signature(function, eval_str=True).parameters.values()
    fields: dict[str, Any] = {
        p.name: (Any if p.annotation is p.empty else p.annotation, ... if p.default is p.empty else p.default)
        for p in parameters
    }
    return pydantic.create_model(f"{function.__name__}_args", __config__={"extra": "forbid"}, **fields)


def _checked(function: Callable[..., Any]) -> Callable[..., JsonValue]:
    model = _arguments(function)

    def run(call: ToolCall, **args: Any) -> JsonValue:
        try:
            checked = model.model_validate(args)
        except pydantic.ValidationError as error:
            raise ToolError(_explain(error), code="invalid_arguments", retryable=False) from error
        result: JsonValue = function(
            call, **{name: getattr(checked, name) for name in type(checked).model_fields}
        )
        return result

    return run


def _explain(error: pydantic.ValidationError) -> str:
    return "; ".join(
        f"{'.'.join(map(str, item['loc'])) or 'arguments'}: {item['msg']}" for item in error.errors()
    )
