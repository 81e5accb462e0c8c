"""Settings of the tests: the product's, on servers of their own."""

import atexit
import os
import shutil
import tempfile

from tests.pg import ensure_servers

database_url, redis_url = ensure_servers()
os.environ |= {
    "AGENTOPS_HOME": os.environ.get("AGENTOPS_TEST_HOME", "/nonexistent"),
    "DATABASE_URL": database_url,
    "REDIS_URL": redis_url,
    "SECRET_KEY": "tests-only-secret-key-of-fifty-characters-at-least",
    "AGENTOPS_INTEGRITY_KEY": "tests-only-integrity-key",
    "DEMO_SITE_URL": "",
    "REHEARSAL_URL": "",
}
if "WORKSPACES" not in os.environ:  # processes that a test starts share it
    os.environ["WORKSPACES"] = tempfile.mkdtemp(prefix="agentops-workspaces-")
    atexit.register(shutil.rmtree, os.environ["WORKSPACES"], ignore_errors=True)
if "ARCHIVES" not in os.environ:
    os.environ["ARCHIVES"] = tempfile.mkdtemp(prefix="agentops-archives-")
    atexit.register(shutil.rmtree, os.environ["ARCHIVES"], ignore_errors=True)

from agentops.settings import *  # noqa: E402, F403 -- the environment must stand before

AGENTOPS = {"slice_seconds": 60.0}  # a slice ends where the test says, however busy the machine is

AGENT_MODULES = [
    "agentops.demo.agents",
    "tests.agents",
    "tests.waiting",
    "tests.market",
    "tests.forking",
    "tests.healing",
    "tests.filing",
    "tests.families",
    "tests.sticking",
    "tests.talking",
    "tests.remembering",
    "tests.property.world",
]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
WHITENOISE_AUTOREFRESH = True  # no collected static files here, and a warning about that would be an error
