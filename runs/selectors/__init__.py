"""Reads. Each takes the actor first and finds nothing outside the actor's team."""

from runs.selectors.agents import agent_for, agents_for, version_for, versions_for
from runs.selectors.checkpoints import checkpoint_at_for, checkpoints_for, state_at_for
from runs.selectors.paging import Page
from runs.selectors.runs import run_counts_for, run_for, run_list_for
from runs.selectors.steps import StepDetail, after_of, step_for, steps_for
from runs.selectors.system import SystemStatus, system_status

__all__ = [
    "Page", "StepDetail", "SystemStatus", "after_of", "agent_for", "agents_for", "checkpoint_at_for", "checkpoints_for",
    "run_counts_for", "run_for", "run_list_for", "state_at_for", "step_for", "steps_for",
    "system_status", "version_for", "versions_for",
]  # fmt: skip
