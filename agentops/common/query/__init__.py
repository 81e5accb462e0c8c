"""The search language of every list (pure): text → terms → text. What the keys mean is each list's own business."""

from agentops.common.query.parser import MAX_CHARACTERS, MAX_DEPTH, MAX_TOKENS, parse, refusal
from agentops.common.query.render import render
from agentops.common.query.terms import And, Filter, Not, Or, Range, Scope, Term, Text, Value

__all__ = [
    "MAX_CHARACTERS", "MAX_DEPTH", "MAX_TOKENS", "And", "Filter", "Not", "Or", "Range", "Scope", "Term", "Text",
    "Value", "parse", "refusal", "render",
]  # fmt: skip
