"""Programs: named nodes that a run walks through."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar, overload

from agentops.common.types import JsonObject
from runs.engine.commands import Command
from runs.engine.context import Context
from runs.engine.errors import CommandError, ProgramError, RecoveryError
from runs.engine.limits import MAX_KEY_CHARACTERS, MAX_RUNNING, QUEUE, name_of_keys, template_problem
from runs.engine.recovery import Policy, Rule
from runs.engine.recovery_form import policy_from
from runs.engine.retry import RetryPolicy
from runs.engine.watch_rules import WatchError, rules_from

NodeFunction = Callable[[Any, Context, Any], Command]
F = TypeVar("F", bound=Callable[..., Command])

# It stands in addresses and in the agent's slug.
_NAME = re.compile(r"(?=.{1,100}\Z)[a-z0-9]+(-[a-z0-9]+)*")


@dataclass(frozen=True, slots=True)
class Node:
    """One named node: its function and what happens when it raises."""

    name: str
    function: NodeFunction
    is_start: bool
    retry: RetryPolicy


@overload
def node(function: F) -> F: ...
@overload
def node(*, start: bool = False, retry: RetryPolicy | None = None) -> Callable[[F], F]: ...
def node(function: Any = None, *, start: bool = False, retry: RetryPolicy | None = None) -> Any:
    """Mark a method `(self, ctx, state) -> Command` as a node of its program.

    Args:
        function: the method, when used without parentheses.
        start: whether runs begin here; exactly one node of a program does.
        retry: what happens when the node raises; by default 3 tries with back-off.
    """

    def mark(method: Any) -> Any:
        method.__agentops_node__ = (start, retry or RetryPolicy(max_attempts=3))
        return method

    return mark(function) if function else mark


class Program:
    """The code of an agent: subclass it, name it, and give it nodes.

    `version` is declared by hand: runs are pinned to it (PROTOCOL 26). `input_schema` is a JSON Schema of an
    object; the input is the first state. `state_schema`, when given, is checked at each commit, `output_schema` at the
    end: what does not fit is a failed attempt of the node. `recovery` are the rules for a node that has failed for good:
    what is tried, and in which order.

    `queue` names the workers that its runs need. `max_running` of them are executed at once, None for as many as there are
    places. `concurrency_key` is what else they are counted by: a template over the input such as `customer-{customer}`, of
    which each key has `max_running_per_key` places. What an admin sets in the console counts instead.
    `reads_notes` says that its nodes ask for the notes which people and the watch leave (ctx.notes). `watch` says when its
    runs count as stuck, and what is done then (runs.engine.watch_rules). `searchable` are JSON pointers into the state
    whose last values runs can be found by.
    """

    name: ClassVar[str] = ""
    version: ClassVar[str] = "1"
    title: ClassVar[str] = ""
    description: ClassVar[str] = ""
    input_schema: ClassVar[JsonObject] = {"type": "object"}
    state_schema: ClassVar[JsonObject | None] = None
    output_schema: ClassVar[JsonObject | None] = None
    recovery: ClassVar[Sequence[Rule]] = ()
    queue: ClassVar[str] = "default"
    concurrency_key: ClassVar[str] = ""
    max_running: ClassVar[int | None] = None
    max_running_per_key: ClassVar[int | None] = None
    reads_notes: ClassVar[bool] = False
    watch: ClassVar[JsonObject] = {}
    searchable: ClassVar[Sequence[str]] = ()
    nodes: ClassVar[dict[str, Node]] = {}
    start_node: ClassVar[str] = ""

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        cls.nodes = {found.name: found for base in reversed(cls.__mro__) for found in _nodes_of(base)}
        starts = [name for name, found in cls.nodes.items() if found.is_start]
        if problem := _problem(cls, starts):
            raise ProgramError(f"program {cls.name or cls.__qualname__!r} {problem}")
        cls.start_node = starts[0]
        try:
            policy_from(cls.recovery_policy(), cls.nodes)
        except RecoveryError as error:
            raise RecoveryError(error.pointer, f"{error.reason} (program {cls.name!r})") from error
        try:
            rules_from(cls.watch)
        except WatchError as error:
            raise ProgramError(
                f"program {cls.name!r} has rules for the watch that make no sense: {error}"
            ) from error

    @classmethod
    def recovery_policy(cls) -> JsonObject:
        """Return the recovery policy as JSON, as it is stored with the agent's version; `{}` for none."""
        return Policy(tuple(cls.recovery)).as_json() if cls.recovery else {}

    def title_of(self, state: Any) -> str:
        """Return what people call this run; override to say more than the agent's name."""
        return self.title or self.name

    def run_node(self, name: str, ctx: Context, state: Any) -> Command:
        """Return what the node says comes next.

        Raises: CommandError when it returns something else, or names a node that does not exist.
        """
        command = self.nodes[name].function(self, ctx, state)
        if not isinstance(command, Command):
            raise CommandError(
                f"node {name!r} returned {type(command).__name__}; return Goto, Sleep, Finish or Fail"
            )
        following = getattr(command, "node", None)
        if following is not None and following not in self.nodes:
            raise CommandError(
                f"node {name!r} goes to {following!r}, but there are only {', '.join(self.nodes)}"
            )
        return command


def is_program_name(name: str) -> bool:
    """Return whether a program, and so an agent, may be called so."""
    return _NAME.fullmatch(name) is not None


def _nodes_of(cls: type) -> list[Node]:
    marked = [(name, member) for name, member in vars(cls).items() if hasattr(member, "__agentops_node__")]
    return [Node(name, member, *member.__agentops_node__) for name, member in marked]


def _problem(cls: type[Program], starts: list[str]) -> str:
    """Return what keeps the class from being a program; empty when nothing does."""
    taken = sorted(set(cls.nodes) & set(vars(Program)))
    unmarked = [name for name, found in cls.nodes.items() if getattr(cls, name) is not found.function]
    if not is_program_name(cls.name):
        return f"needs a name of lower-case letters, digits and hyphens, at most 100 characters, not {cls.name!r}"
    if taken:
        return f"has a node called {taken[0]!r}, but programs use that name themselves; choose another"
    if unmarked:
        return f"overrides the node {unmarked[0]!r} with a method that is not marked with @node"
    if len(starts) != 1:
        return f"needs exactly one @node(start=True), it has {len(starts)}"
    return _limit_problem(cls)


def _limit_problem(cls: type[Program]) -> str:
    """Return what is wrong with the limits that the class declares; empty when nothing is."""
    if not QUEUE.fullmatch(cls.queue):
        return (
            f"needs a queue of letters, digits, '.', '_' and '-', at most 100 characters, not {cls.queue!r}"
        )
    if problem := template_problem(cls.concurrency_key):
        return f"has a concurrency_key that is no template: {problem}"
    numbers = {"max_running": cls.max_running, "max_running_per_key": cls.max_running_per_key}
    for name, number in numbers.items():
        if number is not None and (type(number) is not int or not 1 <= number <= MAX_RUNNING):
            return f"needs a {name} from 1 to {MAX_RUNNING:,}, not {number!r}"
    keys = name_of_keys(cls.concurrency_key)
    if cls.max_running_per_key is not None and (keys in ("", "*") or len(keys) > MAX_KEY_CHARACTERS):
        return "limits its keys by max_running_per_key, so its concurrency_key must begin with text, such as customer-{customer}"
    return ""
