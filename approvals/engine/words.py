"""The words of the desk (pure)."""

# What is asked: may this be done (`approve`: the agent asks; `permission`: a rule or a fork asks), a question, or whether
# a write happened.
KINDS = ("approve", "permission", "ask", "unknown")
# `voided`: what it rested on has changed, or its permission was not used in time.
STATUSES = ("pending", "approved", "rejected", "answered", "expired", "cancelled", "voided")
VERDICTS = ("allow", "ask", "deny")
MODES = ("gate", "suggest", "monitor")
DECISIONS = ("approve", "edit", "reject", "respond")
FITTING = {
    "approve": ("approve", "edit", "reject"),
    "permission": ("approve", "edit", "reject", "respond"),
    "ask": ("respond", "reject"),
    "unknown": ("respond",),
}
