"""What a reader of code would point at, found in the syntax tree alone (pure)."""

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass

LONG_FUNCTION_LINES = 120
MANY_ARGUMENTS = 12


@dataclass(frozen=True, slots=True)
class Finding:
    """One place: its line, which rule it breaks, and in which words."""

    line: int
    rule: str
    message: str


def findings(source: bytes, name: str) -> list[Finding]:
    """Return what stands out in a Python file, by line; one finding when it is no Python of this version."""
    try:
        tree = ast.parse(source, name)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        line = getattr(error, "lineno", None) or 1
        return [Finding(line, "unreadable", f"cannot be parsed: {type(error).__name__}")]
    found = (one for node in ast.walk(tree) for rule in _RULES for one in rule(node))
    return sorted(found, key=lambda one: (one.line, one.rule))


def _bare_except(node: ast.AST) -> Iterator[Finding]:
    if isinstance(node, ast.ExceptHandler) and node.type is None:
        yield Finding(node.lineno, "bare-except", "catches everything, even KeyboardInterrupt")


def _dynamic_code(node: ast.AST) -> Iterator[Finding]:
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("eval", "exec"):
        yield Finding(node.lineno, "dynamic-code", f"calls {node.func.id}()")


def _mutable_default(node: ast.AST) -> Iterator[Finding]:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        defaults = [*node.args.defaults, *(default for default in node.args.kw_defaults if default)]
        if any(isinstance(default, ast.List | ast.Dict | ast.Set) for default in defaults):
            yield Finding(node.lineno, "mutable-default", f"{node.name}() shares a default between its calls")


def _long_function(node: ast.AST) -> Iterator[Finding]:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno:
        lines = node.end_lineno - node.lineno + 1
        if lines > LONG_FUNCTION_LINES:
            yield Finding(node.lineno, "long-function", f"{node.name}() has {lines} lines")


def _many_arguments(node: ast.AST) -> Iterator[Finding]:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        count = len(node.args.posonlyargs) + len(node.args.args) + len(node.args.kwonlyargs)
        if count > MANY_ARGUMENTS:
            yield Finding(node.lineno, "many-arguments", f"{node.name}() takes {count} arguments")


def _shell(node: ast.AST) -> Iterator[Finding]:
    if isinstance(node, ast.Call) and any(
        word.arg == "shell" and isinstance(word.value, ast.Constant) and word.value.value is True
        for word in node.keywords
    ):
        yield Finding(node.lineno, "shell", "runs a command through a shell")


_RULES: tuple[Callable[[ast.AST], Iterator[Finding]], ...] = (
    _bare_except, _dynamic_code, _mutable_default, _long_function, _many_arguments, _shell,
)  # fmt: skip
