"""The rows of the desk: queues, rules, requests, decisions."""

from approvals.models.decision import Comment, Decision
from approvals.models.queue import Absence, Queue, QueueMember
from approvals.models.request import Request
from approvals.models.rule import AgentMode, Policy, Rule
from approvals.models.sla import BusinessCalendar, EscalationPolicy, Sla, SlaTimer

__all__ = [
    "Absence",
    "AgentMode",
    "BusinessCalendar",
    "Comment",
    "Decision",
    "EscalationPolicy",
    "Policy",
    "Queue",
    "QueueMember",
    "Request",
    "Rule",
    "Sla",
    "SlaTimer",
]
