"""The tool `calculate`: sums, without evaluating anything else."""

import ast
import operator
from collections.abc import Callable
from typing import Annotated

from pydantic import Field

from runs.program import ToolCall, ToolError, tool

_TWO: dict[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv,
}  # fmt: skip


@tool("calculate", effect="compute")
def calculate(call: ToolCall, expression: Annotated[str, Field(min_length=1, max_length=200)]) -> float:
    """Return the value of a sum of numbers, such as 6*7 or (1.5+2)/4."""
    try:
        return _value(ast.parse(expression.strip(), mode="eval").body)
    except (SyntaxError, ValueError, ZeroDivisionError, OverflowError, RecursionError) as error:
        told = str(error) or type(error).__name__
        raise ToolError(
            f"{expression!r} cannot be calculated: {told}", code="not_a_sum", retryable=False
        ) from error


def _value(part: ast.expr) -> float:
    if isinstance(part, ast.Constant) and isinstance(part.value, int | float):
        return part.value
    if isinstance(part, ast.UnaryOp) and isinstance(part.op, ast.USub):
        return -_value(part.operand)
    if isinstance(part, ast.BinOp) and type(part.op) in _TWO:
        return _TWO[type(part.op)](_value(part.left), _value(part.right))
    raise ValueError("only numbers, + - * / and brackets are understood")
