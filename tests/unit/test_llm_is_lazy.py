"""Processes that ask no model do not load what it takes to ask one."""

import subprocess
import sys

_LOADED = """
import os, sys
os.environ["DJANGO_SETTINGS_MODULE"] = "agentops.settings"
os.environ.setdefault("AGENTOPS_INTEGRITY_KEY", "x")
import django
django.setup()
import agentops.urls
import runs.tasks
print([name for name in ("pydantic_ai", "openai", "anthropic", "genai_prices", "tiktoken") if name in sys.modules])
"""


def test_web_and_workers_start_without_the_libraries_of_the_makers() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _LOADED], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.stdout.strip() == "[]", done.stderr
