"""Tools that an agent of a language model uses from inside its node: the files of its workspace, and child runs.

They are no steps of their own. What files hold is part of the checkpoint that the node commits, so a node that is executed
again begins with the files as they were and does the same to them.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agentops.common.types import JsonObject, JsonValue
from runs.engine.context import Context
from runs.engine.errors import ActionFailedError, WorkspaceError
from runs.engine.files import check_path
from runs.engine.tools import Effect
from runs.engine.waits import child

START_AGENT = "start_agent"
MAX_LISTED = 1000
MAX_WRITTEN_CHARACTERS = 1 << 20
MAX_READ_CHARACTERS = 100_000
READ_CHARACTERS = 20_000


@dataclass(frozen=True, slots=True)
class InnerTool:
    """One of them. `run` does it in the run's folder and returns JSON, or raises InnerToolError."""

    name: str
    effect: Effect
    description: str
    args_schema: JsonObject
    run: Callable[[Path, Mapping[str, Any]], JsonValue]


class InnerToolError(Exception):
    """What the model is told when it cannot be done."""


def done_inside(ctx: Context, name: str, args: Mapping[str, Any]) -> tuple[JsonValue, bool]:
    """Return what the tool returns and whether it is an error."""
    try:
        return INNER[name].run(ctx.workspace, args), False
    except (InnerToolError, WorkspaceError) as error:
        return str(error)[:1000], True
    except OSError as error:
        return f"{name} cannot be done: {error.strerror}", True


def offered_inside(name: str) -> JsonObject:
    """Return one of them as a model is offered it."""
    tool = INNER[name]
    return {"name": name, "description": tool.description, "schema": tool.args_schema}


def start_agent_tool(agents: list[str]) -> JsonObject:
    """Return the tool by which the model starts one of the agents as a child run, as a model is offered it."""
    return {
        "name": START_AGENT,
        "description": "Start another agent as a child run, wait for its end, and get its output. Calls of one turn run side by side.",
        "schema": _schema({
            "agent": {"type": "string", "enum": [*agents]},
            "input": {"type": "object", "description": "What it is given; it must fit the agent's input schema."},
        }, ["agent", "input"]),
    }  # fmt: skip


def children_done(ctx: Context, calls: Sequence[Any]) -> dict[str, tuple[Any, bool]]:
    """Return, by the id of each call of `start_agent`, what the child put out and whether it failed; all begin before any is waited for."""
    results: dict[str, tuple[Any, bool]] = {}
    started = {}
    for call in calls:
        try:
            started[call["id"]] = ctx.start_child(call["args"]["agent"], call["args"]["input"])
        except ActionFailedError as error:
            results[call["id"]] = (str(error), True)
    for call_id, run in started.items():
        try:
            ended = ctx.wait_for(child(run))
            is_error = ended["status"] != "succeeded"
            results[call_id] = (ended["error"] or ended["status"] if is_error else ended["output"], is_error)
        except ActionFailedError as error:
            results[call_id] = (str(error), True)
    return results


def _schema(properties: JsonObject, required: list[JsonValue]) -> JsonObject:
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def _list(root: Path, args: Mapping[str, Any]) -> JsonValue:
    found = sorted(path for path in root.rglob("*") if path.is_file() and not path.is_symlink())
    shown: list[JsonValue] = [
        {"path": path.relative_to(root).as_posix(), "bytes": path.stat().st_size} for path in found[:MAX_LISTED]
    ]  # fmt: skip
    return {"files": shown, "is_truncated": len(found) > MAX_LISTED}


def _read(root: Path, args: Mapping[str, Any]) -> JsonValue:
    path = _place(root, args["path"])
    if not path.is_file():
        raise InnerToolError(f"there is no file {args['path']!r}; files.list tells which there are")
    text = path.read_text(encoding="utf-8", errors="replace")
    start, most = int(args.get("start", 0)), int(args.get("max_characters", READ_CHARACTERS))
    part = text[start : start + most]
    return {"text": part, "characters": len(text), "is_truncated": start + len(part) < len(text)}


def _write(root: Path, args: Mapping[str, Any]) -> JsonValue:
    path = _place(root, args["path"])
    if path.is_dir():
        raise InnerToolError(f"{args['path']!r} is a folder")
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a" if args.get("append") else "w", encoding="utf-8") as file:
        file.write(args["text"])
    return {"path": args["path"], "bytes": path.stat().st_size}


def _delete(root: Path, args: Mapping[str, Any]) -> JsonValue:
    path = _place(root, args["path"])
    if not path.is_file():
        raise InnerToolError(f"there is no file {args['path']!r}")
    path.unlink()
    return {"path": args["path"]}


def _place(root: Path, path: str) -> Path:
    """Return where the path leads, which is inside the folder.

    Raises: WorkspaceError; InnerToolError for one that leads out by a link.
    """
    check_path(path)
    found = root / path
    if not found.resolve().is_relative_to(root.resolve()):
        raise InnerToolError(f"{path!r} leads out of the workspace")
    return found


_PATH: JsonObject = {
    "type": "string", "minLength": 1, "maxLength": 1000, "description": "Relative, such as notes/plan.md.",
}  # fmt: skip

INNER: dict[str, InnerTool] = {
    tool.name: tool
    for tool in (
        InnerTool(
            "files.list", Effect.READ, "List the files of the run's workspace with their sizes.", _schema({}, []), _list,
        ),
        InnerTool(
            "files.read", Effect.READ, "Read a text file of the run's workspace, or a part of it.",
            _schema({
                "path": _PATH,
                "start": {"type": "integer", "minimum": 0, "description": "Character to begin with."},
                "max_characters": {"type": "integer", "minimum": 1, "maximum": MAX_READ_CHARACTERS, "default": READ_CHARACTERS},
            }, ["path"]), _read,
        ),
        InnerTool(
            "files.write", Effect.COMPUTE,
            "Write text to a file of the run's workspace. What stands there is replaced, or added to with `append`."
            " Every checkpoint keeps the files as they were.",
            _schema({
                "path": _PATH, "text": {"type": "string", "maxLength": MAX_WRITTEN_CHARACTERS}, "append": {"type": "boolean"},
            }, ["path", "text"]), _write,
        ),
        InnerTool(
            "files.delete", Effect.COMPUTE, "Take a file out of the run's workspace; earlier checkpoints keep it.",
            _schema({"path": _PATH}, ["path"]), _delete,
        ),
    )
}  # fmt: skip
