"""What a fork would be: where it begins, with which state and code, and what it may use. Nothing is written."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from agentops.accounts.roles import Actor
from agentops.common.canonical import NotJsonError, clean_json
from agentops.common.errors import ConflictError, InvalidInputError
from agentops.common.types import JsonValue
from runs.checkpoints.diff import same_json
from runs.checkpoints.files import files_at
from runs.checkpoints.patch import PatchError, apply_patch
from runs.checkpoints.store import Rebuilt, rebuild
from runs.definitions import program_for
from runs.engine.errors import ProgramError
from runs.engine.files import Manifest
from runs.engine.frozen import thaw
from runs.engine.program import Program
from runs.engine.reuse import FORK_MODES, Mode
from runs.json_schema import check
from runs.models import AgentVersion, Run, Step
from runs.selectors.agents import version_for
from runs.selectors.console.run import input_for
from runs.selectors.points import Point, actions_behind, actions_kept, point_at
from runs.selectors.runs import run_for, runs_of
from runs.selectors.tools import output_schema_of

MAX_OUTPUTS = 100


@dataclass(frozen=True, slots=True)
class ForkRequest:
    """What somebody asks of a fork; see fork_run."""

    seq: int
    effect_mode: str
    reason: str = ""
    state_patch: Sequence[JsonValue] | None = None
    input: Any = None
    has_input: bool = False
    outputs: Mapping[int, Any] | None = None
    version: int | None = None
    keep_signals: bool = False

    @property
    def mode(self) -> Mode:
        if self.effect_mode not in {mode.value for mode in FORK_MODES}:
            known = ", ".join(FORK_MODES)
            raise misfit("/effect_mode", f"must be one of {known}, not {self.effect_mode!r}")
        return Mode(self.effect_mode)


@dataclass(frozen=True, slots=True)
class ForkPlan:
    """A fork that can be made: everything about it has been checked.

    `state` is the one it begins with, `before` the recorded one. `kept` are the actions of its first node that are
    copied into its journal, `edited` the outputs somebody has written, by the seq of their action. `files` are those of
    its workspace.
    """

    parent: Run
    point: Point
    mode: Mode
    version: AgentVersion
    program: type[Program]
    input: JsonValue
    before: Any
    state: Any
    checkpoint_hash: bytes
    kept: list[Step]
    edited: dict[int, JsonValue]
    files: Manifest


def plan_fork(actor: Actor, run_id: UUID, request: ForkRequest) -> ForkPlan:
    """Return the fork as it would be.

    Raises: NotFoundError, ConflictError, InvalidInputError, IntegrityError; see fork_run.
    """
    mode, parent = request.mode, _parent(actor, run_id)
    edited = _outputs(request)
    version = parent.agent_version if request.version is None else _version(actor, parent, request.version)
    program = _program(version)
    point = _start(parent, request.seq, edited)
    built = rebuild(parent, point.checkpoint_seq, branch=point.lineage.branch)
    before = thaw(built.state)
    given = input_for(actor, parent.pk)
    new_input = _input(request, version, given)
    state = _state(request, before, given, new_input, program)
    is_changed = version.pk != parent.agent_version_id or not same_json(state, before)
    point = point.at_node() if is_changed else point
    _check_node(point, program, version)
    kept = [] if is_changed else _kept(parent, point, edited)
    _check_edited(parent, point, edited, {step.seq for step in kept})
    files = _files(parent, point, built)
    return ForkPlan(
        parent, point, mode, version, program, new_input, before, state, built.hash, kept, edited, files
    )


def misfit(pointer: str, message: str) -> InvalidInputError:
    """Return the error for a part of the request."""
    told = f"the request does not fit at {pointer}: {message}"
    return InvalidInputError(told, errors=[{"pointer": pointer, "message": message}])


def _files(parent: Run, point: Point, built: Rebuilt) -> Manifest:
    branch, seq, tip = point.lineage.branch, point.checkpoint_seq, built.tail.files
    return files_at(parent.team_id, parent.pk, branch=branch, seq=seq, tip=tip).manifest


def _parent(actor: Actor, run_id: UUID) -> Run:
    run_for(actor, run_id)
    return runs_of(actor).select_related("agent", "agent_version").get(pk=run_id)


def _version(actor: Actor, parent: Run, number: int) -> AgentVersion:
    return version_for(actor, parent.agent.slug, number)


def _program(version: AgentVersion) -> type[Program]:
    try:
        return program_for(version)
    except ProgramError as error:
        raise ConflictError(f"the code of version {version.number} is not installed here: {error}") from error


def _outputs(request: ForkRequest) -> dict[int, JsonValue]:
    outputs = request.outputs or {}
    if len(outputs) > MAX_OUTPUTS:
        raise misfit("/outputs", f"at most {MAX_OUTPUTS} outputs can be edited at once")
    return {int(seq): _clean(value, f"/outputs/{seq}") for seq, value in outputs.items()}


def _start(parent: Run, seq: int, edited: Mapping[int, JsonValue]) -> Point:
    """Return the earliest of the place asked for and those of the edited outputs (PROTOCOL 15)."""
    points = [point_at(parent, seq)]
    for one in edited:
        point = point_at(parent, one)
        if one in (point.checkpoint_seq, point.node_seq):
            told = f"step {one} is a node, and only actions have outputs; use state_patch to change the state"
            raise misfit(f"/outputs/{one}", told)
        points.append(point)
    return min(points, key=lambda point: (point.position, point.seq not in edited))


def _kept(parent: Run, point: Point, edited: Mapping[int, JsonValue]) -> list[Step]:
    """Return the actions that the fork's journal begins with: those before the point, and the edited one at it."""
    behind = actions_behind(parent, point, kinds=_ANY) if point.seq in edited else []
    return actions_kept(parent, point) + [step for step in behind if step.seq == point.seq]


_ANY = ("tool", "wait", "approval", "llm", "child_run", "memory", "handoff")


def _check_edited(parent: Run, point: Point, edited: Mapping[int, JsonValue], kept: set[int]) -> None:
    behind = {step.seq: step for step in actions_behind(parent, point, kinds=_ANY)}
    for seq, value in edited.items():
        step = behind.get(seq)
        if step is None:
            raise misfit(
                f"/outputs/{seq}", f"step {seq} is not on the branch that went on from step {point.seq}"
            )
        if step.kind != "tool" and seq not in kept:
            told = f"step {seq} is a {step.kind}; its output can be edited only where the fork begins"
            raise misfit(f"/outputs/{seq}", told)
        schema = output_schema_of(step.name) if step.kind == "tool" else None
        if schema is not None:
            check(value, schema, what=f"the output of step {seq}")


def _input(request: ForkRequest, version: AgentVersion, given: JsonValue) -> JsonValue:
    if not request.has_input:
        return given
    new: JsonValue = _clean(request.input, "/input")
    check(new, version.input_schema, what="the input")
    return new


def _state(
    request: ForkRequest, before: Any, given: JsonValue, new_input: JsonValue, program: type[Program]
) -> Any:
    """Return the state with the new input's values in place of the old one's, and then the patch, checked."""
    state = _with_input(before, given, new_input) if request.has_input else before
    if request.state_patch is not None:
        state = _patched(state, request.state_patch)
    if not isinstance(state, dict):
        raise misfit("/state_patch", "the state must stay an object")
    if program.state_schema is not None:
        check(state, program.state_schema, what="the state")
    return state


def _with_input(before: Any, given: JsonValue, new_input: JsonValue) -> Any:
    """Return the state with the values of the old input taken out and those of the new one put in.

    A value that the run has changed since stays, unless the new input names it.
    """
    if not (isinstance(before, dict) and isinstance(given, dict) and isinstance(new_input, dict)):
        return new_input
    gone = {
        name for name, value in given.items() if name not in new_input and same_json(before.get(name), value)
    }
    return {name: value for name, value in before.items() if name not in gone} | new_input


def _patched(state: Any, patch: Sequence[JsonValue]) -> Any:
    try:
        return apply_patch(state, [_clean(operation, "/state_patch") for operation in patch])
    except PatchError as error:
        raise misfit(f"/state_patch/{error.index}", error.reason) from error


def _check_node(point: Point, program: type[Program], version: AgentVersion) -> None:
    if point.node not in program.nodes:
        nodes = ", ".join(program.nodes)
        told = f"version {version.number} has no node {point.node!r}, where the fork begins; it has {nodes}"
        raise misfit("/version", told)


def _clean(value: Any, pointer: str) -> Any:
    try:
        return clean_json(value)
    except NotJsonError as error:
        raise misfit(pointer + error.pointer, error.reason) from error
