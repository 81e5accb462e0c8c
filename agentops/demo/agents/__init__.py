"""The demo agents: each a real example of how to write one."""

import agentops.demo.tools  # noqa: F401 -- registers the tools that the agents use
from agentops.demo.agents.many_steps import ManySteps
from agentops.demo.agents.site_research import SiteResearch

__all__ = ["ManySteps", "SiteResearch"]
