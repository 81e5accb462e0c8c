"""Tables of the kernel: columns, constraints and indexes; no verbs."""

from runs.models.agent import Agent, AgentVersion
from runs.models.branch import Branch, Reuse
from runs.models.budget import Budget, Purse, Reservation, SpendDay
from runs.models.bulk_job import BulkJob, BulkResult
from runs.models.cached_read import CachedRead
from runs.models.callback import Callback, CallbackAttempt, CallbackSecret
from runs.models.found_text import ReadMark, RunText, RunValue
from runs.models.limit import Limit
from runs.models.provider import ModelGate, Provider
from runs.models.retention import Archive, Cut, FileUse, RetentionJob, RetentionPolicy, RunHold, RunSize
from runs.models.run import Run
from runs.models.saved_view import SavedView
from runs.models.schedule import Schedule, ScheduleFire
from runs.models.source import Source, Trigger, TriggerStart
from runs.models.step import Attempt, Blob, Checkpoint, Intent, LogLine, Outcome, Step
from runs.models.stuck import Nudge, RunLook, StuckKind, StuckState
from runs.models.tree import Batch, Fanout
from runs.models.wait import Event, Signal, Wait
from runs.models.worker import ClockBeat, Worker

__all__ = [
    "Agent",
    "AgentVersion",
    "Archive",
    "Attempt",
    "Batch",
    "Blob",
    "Branch",
    "Budget",
    "BulkJob",
    "BulkResult",
    "CachedRead",
    "Callback",
    "CallbackAttempt",
    "CallbackSecret",
    "Checkpoint",
    "ClockBeat",
    "Cut",
    "Event",
    "Fanout",
    "FileUse",
    "Intent",
    "Limit",
    "LogLine",
    "ModelGate",
    "Nudge",
    "Outcome",
    "Provider",
    "Purse",
    "ReadMark",
    "Reservation",
    "RetentionJob",
    "RetentionPolicy",
    "Reuse",
    "Run",
    "RunHold",
    "RunLook",
    "RunSize",
    "RunText",
    "RunValue",
    "SavedView",
    "Schedule",
    "ScheduleFire",
    "Signal",
    "Source",
    "SpendDay",
    "Step",
    "StuckKind",
    "StuckState",
    "Trigger",
    "TriggerStart",
    "Wait",
    "Worker",
]  # fmt: skip
