"""Errors of the engine and of the code that it runs.

EngineError
├── ProgramError            a program that cannot be loaded: no start node, a doubled name
│   └── RecoveryError       a recovery policy that makes no sense, at `pointer`
├── UpdateError             a declared update that does not fit the state
├── CommandError            a node returned what is not a command, or named a node that is not there
├── NondeterminismError     a node ran again and asked for another action than the journal holds
├── TooManyActionsError     more actions in one node than allowed
├── StateSchemaError        the state after a node does not fit the program's schema
├── OutputSchemaError       what a run would put out does not fit the program's schema
├── GivenUpError            a person was asked whether to try again, and said no
├── WorkspaceError          the run's folder holds what cannot be kept, or more than allowed
├── ToolError               raised by a tool: says whether trying again may help, and when
└── ActionFailedError       raised to the node when an action has failed for good; it may be caught
"""

from typing import Any, ClassVar

from agentops.common.types import JsonObject

PAUSED_SECONDS = 3600.0


class EngineError(Exception):
    """An error with a stable `code`; `retryable` says whether the same attempt may succeed later."""

    code: ClassVar[str] = "engine_error"
    retryable: bool = False


class ProgramError(EngineError):
    code = "program_invalid"


class RecoveryError(ProgramError):
    """A recovery policy that makes no sense at `pointer`, an RFC 6901 pointer into its JSON."""

    code = "recovery_invalid"

    def __init__(self, pointer: str, reason: str) -> None:
        super().__init__(f"its recovery policy, at {pointer or 'its top level'}: {reason}")
        self.pointer, self.reason = pointer, reason


class UpdateError(EngineError):
    """A declared update that does not fit the state at `pointer`."""

    code = "update_invalid"

    def __init__(self, op: str, pointer: str, reason: str) -> None:
        super().__init__(f"cannot {op} at {pointer!r}: {reason}")
        self.pointer = pointer


class CommandError(EngineError):
    code = "command_invalid"


class NondeterminismError(EngineError):
    """The node asked for another action than the one recorded at the same place (PROTOCOL 13)."""

    code = "nondeterminism"

    def __init__(self, ordinal: int, expected: str, received: str) -> None:
        super().__init__(
            f"action {ordinal} of this node was recorded as {expected}, but the code now asks for {received}; "
            "fork from the last checkpoint to run the changed code"
        )
        self.expected = expected
        self.received = received


class TooManyActionsError(EngineError):
    code = "too_many_actions"

    def __init__(self, limit: int) -> None:
        super().__init__(
            f"a node may do at most {limit} actions; split the work over several nodes with Goto, "
            "or over child runs with map_children"
        )


class StateSchemaError(EngineError):
    """The state that a node would leave does not fit `Program.state_schema`; counts as a failed attempt."""

    code = "state_schema"
    retryable = True


class WorkspaceError(EngineError):
    """What a node leaves in its workspace cannot be kept; counts as a failed attempt. `path` is empty for the whole."""

    code = "workspace_refused"
    retryable = True

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(
            f"the file {path!r} of the workspace {reason}" if path else f"the workspace {reason}"
        )
        self.path = path


class OutputSchemaError(EngineError):
    """What a run would put out does not fit `Program.output_schema`; counts as a failed attempt of its last node."""

    code = "output_schema"
    retryable = True


class GivenUpError(EngineError):
    """A person was asked whether a node should be tried again, and said no, or nobody answered."""

    code = "given_up"


class ToolError(EngineError):
    """What a tool raises; `retry_after_seconds` is what the other side asked for.

    From a write that is not idempotent it says that nothing happened out there, unless `is_outcome_unknown`: then
    it is not tried again, and a person is asked.
    """

    code = "tool_error"

    def __init__(
        self,
        message: str,
        *,
        code: str = "tool_error",
        retryable: bool = True,
        retry_after_seconds: float | None = None,
        is_outcome_unknown: bool = False,
    ) -> None:
        super().__init__(message)
        self.error_code = code
        self.retryable = retryable
        self.retry_after_seconds = retry_after_seconds
        self.is_outcome_unknown = is_outcome_unknown


class NotYetError(ToolError):
    """Raised by a call that was not made, since it may only be made in `seconds`; it is no failed attempt.

    With `stop` the run is paused before it, which then waits for that.
    """

    def __init__(self, message: str, seconds: float, *, stop: JsonObject | None = None) -> None:
        super().__init__(message, code="not_yet", retry_after_seconds=seconds)
        self.seconds, self.stop = seconds, stop


class OverBudgetError(NotYetError):
    """Raised by a call that a budget does not allow; the run is paused, and `stop` says why."""

    def __init__(self, stop: JsonObject) -> None:
        super().__init__(str(stop["text"]), PAUSED_SECONDS, stop=stop)


class ActionFailedError(EngineError):
    """An action failed after all its attempts; a node may catch it and go another way.

    Not retryable by the node: the action's own policy has had its say. `request_hash` says which request it was.
    """

    code = "action_failed"
    request_hash: bytes = b""

    def __init__(self, name: str, error_code: str, message: str, attempts: int) -> None:
        super().__init__(f"{name} failed after {attempts} attempt{'s' * (attempts != 1)}: {message}")
        self.name = name
        self.error_code = error_code
        self.attempts = attempts


class PremiseFailedError(ActionFailedError):
    """What a person went by has changed since, so the action was not called; a node may catch it.

    `premises` bear the `value` that the permission was given for, and `found`, the one right before the call.
    """

    def __init__(self, name: str, message: str, premises: Any) -> None:
        EngineError.__init__(self, f"{name} was not called: {message}")
        self.name, self.error_code, self.attempts = name, "premise_failed", 0
        self.premises = premises


class WaitError(ActionFailedError):
    """A wait ended without what was waited for; a node may catch it."""

    def __init__(self, name: str, error_code: str, message: str) -> None:
        EngineError.__init__(self, message)
        self.name, self.error_code, self.attempts = name, error_code, 1


class WaitTimeoutError(WaitError):
    """The time of a wait was over. `fired` is what had come by then, when all of several were waited for."""

    code = "wait_timeout"

    def __init__(self, name: str, fired: list[Any]) -> None:
        super().__init__(name, "wait_timeout", f"nobody answered {name!r} in time")
        self.fired = fired


class RejectedError(WaitError):
    """A person said no. `by` is who, `message` why."""

    code = "rejected"

    def __init__(self, name: str, by: str, message: str) -> None:
        super().__init__(name, "rejected", f"{by} rejected {name!r}" + (f": {message}" if message else ""))
        self.by, self.message = by, message
