"""The tools of `code-audit`: list Python files below a folder, and look into them."""

import sysconfig
from pathlib import Path

from django.conf import settings

from agentops.common.types import JsonObject, JsonValue
from agentops.demo.inspect_code import findings
from runs.program import Effect, ToolCall, ToolError, tool

MAX_FILE_BYTES = 4 << 20
MAX_FINDINGS_A_FILE = 50


def roots() -> list[Path]:
    """Return the folders below which agents may read: those of this Python, and what CODE_AUDIT_ROOTS adds."""
    paths = sysconfig.get_paths()
    own = [paths["stdlib"], paths["purelib"], *settings.CODE_AUDIT_ROOTS]
    return [Path(path).resolve() for path in own]


@tool("code.list", effect=Effect.READ, timeout_seconds=120.0)
def code_list(call: ToolCall, folder: str, limit: int) -> JsonValue:
    """Return the Python files below a folder, in order of their names; links are not followed."""
    found = sorted(
        str(path) for path in _allowed(folder).rglob("*.py") if path.is_file() and not path.is_symlink()
    )
    return list(found[:limit])


@tool("code.inspect", effect=Effect.READ, timeout_seconds=60.0)
def code_inspect(call: ToolCall, path: str) -> JsonObject:
    """Return the lines of a file and what stands out in it, at most MAX_FINDINGS_A_FILE."""
    file = _allowed(path)
    try:
        size = file.stat().st_size
        source = file.read_bytes() if size <= MAX_FILE_BYTES else b""
    except OSError as error:
        raise ToolError(
            f"{path} cannot be read: {error.strerror}", code="unreadable", retryable=False
        ) from error
    if not source:
        return {"path": path, "lines": 0, "findings": [], "n_findings": 0}
    found = findings(source, path)
    shown: list[JsonValue] = [
        {"line": one.line, "rule": one.rule, "message": one.message} for one in found[:MAX_FINDINGS_A_FILE]
    ]
    return {"path": path, "lines": source.count(b"\n") + 1, "findings": shown, "n_findings": len(found)}


def _allowed(name: str) -> Path:
    path = Path(name).resolve()
    if not any(path.is_relative_to(root) for root in roots()):
        told = ", ".join(map(str, roots()))
        raise ToolError(
            f"{name} is not below {told}; CODE_AUDIT_ROOTS adds folders", code="forbidden", retryable=False
        )
    return path
