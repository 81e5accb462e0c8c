"""What an agent's author imports: `from runs.program import Program, node, Goto, Finish, …`."""

from runs.engine import ladder as heal
from runs.engine.commands import Fail, Finish, Goto, Sleep
from runs.engine.context import Call, Context
from runs.engine.errors import (
    ActionFailedError,
    PremiseFailedError,
    RejectedError,
    ToolError,
    WaitTimeoutError,
)
from runs.engine.frozen import thaw
from runs.engine.premises import (
    budget_remaining,
    entry_point,
    file_sha256,
    http_etag,
    json_path_equals,
    sql_row_hash,
)
from runs.engine.program import Program, node
from runs.engine.retry import RetryPolicy
from runs.engine.tools import Effect, ToolCall
from runs.engine.waits import child, event, signal
from runs.tools.premises import premise
from runs.tools.registry import tool

__all__ = [
    "ActionFailedError", "Call", "Context", "Effect", "Fail", "Finish", "Goto", "PremiseFailedError", "Program", "RejectedError",
    "RetryPolicy", "Sleep", "ToolCall", "ToolError", "WaitTimeoutError", "budget_remaining", "child", "entry_point", "event", "file_sha256",
    "heal", "http_etag", "json_path_equals", "node", "premise", "signal", "sql_row_hash", "thaw", "tool",
]  # fmt: skip
