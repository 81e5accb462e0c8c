"""The demo agents: each a real example of how to write one."""

import agentops.demo.calculate
import agentops.demo.code_tools
import agentops.demo.desk_tools
import agentops.demo.tools  # noqa: F401 -- these register the tools that the agents use
from agentops.demo.agents.assistant import Assistant
from agentops.demo.agents.code_audit import CodeAudit, CodeAuditBatch
from agentops.demo.agents.many_steps import ManySteps
from agentops.demo.agents.portal_filing import PortalFiling
from agentops.demo.agents.price_watch import PriceWatch
from agentops.demo.agents.recruiter import Recruiter
from agentops.demo.agents.site_research import SiteResearch

__all__ = [
    "Assistant",
    "CodeAudit",
    "CodeAuditBatch",
    "ManySteps",
    "PortalFiling",
    "PriceWatch",
    "Recruiter",
    "SiteResearch",
]
