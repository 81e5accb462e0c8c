"""Controls: the same processes with the protections taken out that `WITHOUT` names; see tests/crash/without.py."""

from tests.crash.settings import *  # noqa: F403 -- the same settings, and one more app
from tests.crash.settings import INSTALLED_APPS as APPS

INSTALLED_APPS = [*APPS, "tests.crash.without.Without"]
