"""The tutorial's code, taken from its page and run."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import urlsplit

import pytest

from agentops.common.types import JsonObject
from agentops.demo.site.server import DemoSite
from tests.demo import ROOT, a_site
from tests.fakes import InMemoryShell, run_program

PAGE = (ROOT / "docs/tutorials/first-agent.md").read_text(encoding="utf-8")
BLOCKS = dict(re.findall(r"^```python (.+?)\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL))
AGENT, NOTES, MORE = (
    BLOCKS[name]
    for name in ("agents/link_check.py", "agents/notes.py", "agents/link_check.py (one more node)")
)
END = 'return Finish(output={"links": state["checked"], "dead": state["dead"]})'


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[DemoSite]:
    with a_site() as site:
        monkeypatch.setenv("HTTP_ALLOW", urlsplit(site.url).netloc)
        yield site


def saved(folder: Path, name: str, code: str) -> ModuleType:
    path = folder / f"{name}.py"
    path.write_text(code, encoding="utf-8")
    spec = spec_from_file_location(f"tutorial_{name}", path)
    assert spec
    assert spec.loader
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_agent_checks_every_link_of_a_page(site: DemoSite, tmp_path: Path) -> None:
    site.reports.publish(
        "links", {"title": "t", "markdown": "[here](/modules/abc.html) [gone](/gone)"}, "key"
    )
    program = saved(tmp_path, "link_check", AGENT).LinkCheck
    shell = InMemoryShell()
    ended = run_program(program, {"page": f"{site.url}/reports/links"}, shell)

    assert ended.output["links"] == len(ended.state["links"]) == len(shell.calls) - 1 == 4
    assert shell.figures == (4, 4, "links")
    [dead] = ended.output["dead"]
    assert dead["link"] == f"{site.url}/gone"
    assert "404 Not Found" in dead["why"]


def test_the_tool_adds_a_note_once_however_often_it_is_asked_to(
    site: DemoSite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert END in AGENT
    file = tmp_path / "notes.json"
    saved(tmp_path, "notes", NOTES)
    code = AGENT.replace(END, 'return Goto("note")') + MORE.replace("/tmp/notes.json", str(file))
    program = saved(tmp_path, "link_check", code).LinkCheck
    shell = InMemoryShell()
    page: JsonObject = {"page": f"{site.url}/robots.txt"}
    first, again = (run_program(program, page, shell) for _ in range(2))

    assert first.output == again.output == {"links": 0, "dead": []}
    assert list(json.loads(file.read_text()).values()) == [f"{page['page']}: 0 of 0 links are dead"]


def test_a_folder_of_agents_is_found_and_its_programs_have_what_the_console_needs(tmp_path: Path) -> None:
    (tmp_path / "link_check.py").write_text(AGENT)
    (tmp_path / "notes.py").write_text(NOTES)
    code = (
        "import django, json; django.setup()\n"
        "from runs.programs import get_program; from runs.tools.registry import all_tools\n"
        "program = get_program('link-check')\n"
        "print(json.dumps([program.title, list(program.nodes), [tool.name for tool in all_tools()]]))"
    )
    environment = os.environ | {"AGENTS": str(tmp_path), "DJANGO_SETTINGS_MODULE": "agentops.settings"}
    printed = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    found: Any = json.loads(printed.stdout)

    assert found[:2] == ["Link check", ["collect", "check"]]
    assert {"http.get", "notes.add"} <= set(found[2])


def test_the_files_and_commands_that_the_page_names_exist() -> None:
    for path in re.findall(r"`((?:agentops|runs|docs)/[\w/]+\.py)`", PAGE):
        assert (ROOT / path).is_file()
    for target in re.findall(r"\]\((\.\.?/[\w/.-]+)\)", PAGE):
        assert (ROOT / "docs/tutorials" / target).is_file()
    assert (ROOT / "agentops/management/commands/start_run.py").is_file()
