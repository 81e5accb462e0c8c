"""Settings of the processes that crash tests start: the tests' own, with leases short enough to wait for."""

import json
import os

from tests.settings import *  # noqa: F403 -- the same settings in another process

AGENTOPS = json.loads(os.environ.get("CLUSTER_CONF", "{}"))
