"""No deadline for an example: a busy machine is not a failing test."""

from hypothesis import settings

settings.register_profile("agentops", deadline=None, max_examples=50, database=None)
settings.load_profile("agentops")
