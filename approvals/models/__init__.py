"""The rows of the desk: queues, rules, requests, decisions."""

from approvals.models.decision import Comment, Decision
from approvals.models.queue import Absence, Queue, QueueMember
from approvals.models.request import Request
from approvals.models.rule import AgentMode, Policy, Rule

__all__ = [
    "Absence",
    "AgentMode",
    "Comment",
    "Decision",
    "Policy",
    "Queue",
    "QueueMember",
    "Request",
    "Rule",
]
