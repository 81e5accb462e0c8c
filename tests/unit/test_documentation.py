"""The documents tell of the code as it is: every name stands in its table, every link leads somewhere, examples run."""

import importlib.util
import json
import re
import threading
from collections.abc import Iterator
from dataclasses import fields
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from django.apps import apps

from agentops.common import errors as common_errors
from agentops.common.conf import Conf
from agentops.common.types import JsonObject
from runs.engine import errors as engine_errors
from runs.engine.program import Program
from runs.engine.states import MOVES, RunStatus
from runs.tools import registry
from tests.fakes import InMemoryShell, run_program

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
SETTINGS = (ROOT / "docs/reference/settings.md").read_text(encoding="utf-8")
HEALTH = (ROOT / "docs/reference/health.md").read_text(encoding="utf-8")
COMMANDS = (ROOT / "docs/reference/commands.md").read_text(encoding="utf-8")
ERRORS = (ROOT / "docs/reference/errors.md").read_text(encoding="utf-8")
INVARIANTS = (ROOT / "docs/invariants.md").read_text(encoding="utf-8")

# How code asks for a variable: env_str("X"), environ.get("X"), environ["X"], and the plan of `make up`.
ASKS = re.compile(
    r"(?:env_\w+\(|environ(?:\.get\(|\[)|_settings(?:\.get\(|\[)|_number\()\s*[\"']([A-Z][A-Z0-9_]+)[\"']"
)
PACKAGES = ("agentops", "runs", "approvals", "memory")
READERS = [ROOT / "agentops/settings.py", ROOT / "agentops/embedded", ROOT / "agentops/common", ROOT / "runs"]


def each(root: Path) -> list[Path]:
    return sorted(root.rglob("*.py")) if root.is_dir() else [root]


def in_table(name: str, page: str) -> str | None:
    """Return the row of a table that begins with `name`."""
    found = re.search(rf"^\|[^|\n]*`{re.escape(name)}`[^|\n]*\|.*$", page, re.MULTILINE)
    return found[0] if found else None


def subclasses(kind: type) -> set[type]:
    below: list[type] = kind.__subclasses__()
    return {kind}.union(*map(subclasses, below))


CODES = sorted(
    {
        kind.code  # type: ignore[attr-defined]
        for base in (common_errors.AgentOpsError, engine_errors.EngineError)
        for kind in subclasses(base)
        if kind.__module__ in (common_errors.__name__, engine_errors.__name__)
    }
)


@pytest.mark.parametrize("code", CODES)
def test_every_error_code_is_explained(code: str) -> None:
    assert in_table(code, ERRORS)


@pytest.mark.parametrize("field", fields(Conf), ids=lambda field: field.name)
def test_every_setting_stands_with_its_default(field: Any) -> None:
    row = in_table(field.name, SETTINGS)
    assert row
    assert row.split("|")[2].strip() == f"{field.default:,}"


def test_every_setting_is_used() -> None:
    code = "".join(path.read_text() for package in PACKAGES for path in each(ROOT / package))
    assert [field.name for field in fields(Conf) if f".{field.name}" not in code] == []


def asked_for() -> set[str]:
    return {name for root in READERS for path in each(root) for name in ASKS.findall(path.read_text())}


def test_every_variable_that_the_code_asks_for_is_explained() -> None:
    assert {"DATABASE_URL", "WORKERS", "AGENTS", "HTTP_ALLOW"} <= asked_for(), "the search finds too little"
    told = set(re.findall(r"`([A-Z][A-Z0-9_]+)`", SETTINGS))
    assert asked_for() - told == set()


def test_no_variable_is_explained_that_nobody_asks_for() -> None:
    table = SETTINGS.partition("## Environment")[2].partition("## `settings.AGENTOPS`")[0]
    told = {
        name
        for row in table.splitlines()
        if row.startswith("| `")
        for name in re.findall(r"`([A-Z_]+)`", row.split("|")[1])
    }
    in_shell = set(re.findall(r"\$\{?([A-Z_]+)", (ROOT / "tools/bootstrap").read_text()))
    assert told - asked_for() - in_shell == set()


def commands() -> list[str]:
    found = (path for package in PACKAGES for path in each(ROOT / package))
    return sorted(path.stem for path in found if path.parent.name == "commands" and path.stem != "__init__")


@pytest.mark.parametrize("name", commands())
def test_every_command_is_explained(name: str) -> None:
    assert re.search(rf"^\| `manage\.py {name}\b", COMMANDS, re.MULTILINE)


def test_every_target_of_make_is_explained() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z][a-z-]*):", makefile, re.MULTILINE)) - {"help"}
    assert targets == set(re.findall(r"`make ([a-z-]+)`", COMMANDS))


@pytest.mark.parametrize("status", RunStatus)
def test_every_status_stands_with_the_moves_of_a_worker_that_leave_it(status: RunStatus) -> None:
    row = in_table(status, HEALTH)
    assert row
    told = {word.strip() for word in row.split("|")[3].split(",")} - {"–"}
    by_person = {"pause", "cancel", "kill", "expire", "rewind"}
    assert told == {move.value for move, (origins, _) in MOVES.items() if status in origins} - by_person


EACH_PAGE = pytest.mark.parametrize("document", PAGES, ids=lambda path: str(path.relative_to(ROOT)))


@EACH_PAGE
def test_every_link_leads_somewhere(document: Path) -> None:
    text = re.sub(r"```.*?```", "", document.read_text(encoding="utf-8"), flags=re.DOTALL)
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if document.name == "0000-template.md" or re.match(r"\w+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (document.parent / path).resolve() if path else document
        assert target.exists(), f"{document.name}: {link}"
        assert not anchor or anchor in anchors(target), f"{document.name}: {link}"


def anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@EACH_PAGE
def test_documents_lean_on_nothing_that_a_clone_does_not_have(document: Path) -> None:
    assert not re.search(r"\b(?:DESIGN|PROTOCOL|CONTRACT)\b", document.read_text(encoding="utf-8"))


def test_every_table_of_the_kernel_is_explained() -> None:
    page = (ROOT / "docs/explanation/architecture.md").read_text(encoding="utf-8")
    assert [
        model.__name__
        for model in apps.get_app_config("runs").get_models()
        if not in_table(model.__name__, page)
    ] == []


CITED = sorted(set(re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", INVARIANTS)))


@pytest.mark.parametrize(("path", "name"), CITED, ids=lambda part: part.rpartition("/")[2])
def test_every_test_that_an_invariant_names_exists(path: str, name: str) -> None:
    text = (ROOT / path).read_text(encoding="utf-8")
    assert re.search(rf"^ *(?:async )?def {name}\(", text, re.MULTILINE)


def test_every_invariant_names_a_test_and_they_are_numbered() -> None:
    items = re.split(r"^(?=\d+\. \*\*)", INVARIANTS.partition("## Not yet")[0], flags=re.MULTILINE)[1:]
    assert [int(item.split(".")[0]) for item in items] == list(range(1, len(items) + 1))
    assert [item[:40] for item in items if "`tests/" not in item] == []


def python_of(page: str) -> str:
    """Return the Python of a page as one file."""
    text = (ROOT / page).read_text(encoding="utf-8")
    return "\n".join(re.findall(r"^```python\n(.*?)^```", text, re.DOTALL | re.MULTILINE))


@pytest.fixture
def module_of(tmp_path: Path) -> Iterator[Any]:
    """Load the Python of a page; the tools it registers are gone afterwards."""
    known = dict(registry._tools)

    def load(page: str) -> ModuleType:
        path = tmp_path / f"documented_{Path(page).stem.replace('-', '_').lower()}.py"
        path.write_text(python_of(page), encoding="utf-8")
        spec = importlib.util.spec_from_file_location(path.stem, path)
        assert spec
        assert spec.loader
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    yield load
    registry._tools.clear()
    registry._tools.update(known)


class Site(BaseHTTPRequestHandler):
    """A page that has the word from the second look on, and an ear for what is found."""

    n_looks = 0
    told: list[tuple[str, Any]]

    def do_GET(self) -> None:
        Site.n_looks += 1
        words = "Tickets are on sale" if Site.n_looks > 1 else "Come back later"
        self._answer(f"<html><head><title>Fair</title></head><body><p>{words}</p></body></html>", "text/html")

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        Site.told.append((self.headers["Idempotency-Key"], body))
        self._answer("{}", "application/json")

    def _answer(self, text: str, kind: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    Site.n_looks, Site.told = 0, []
    with HTTPServer(("127.0.0.1", 0), Site) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        address = f"127.0.0.1:{server.server_port}"
        monkeypatch.setenv("HTTP_ALLOW", address)
        yield f"http://{address}/"
        server.shutdown()
        thread.join()


def test_the_agent_of_the_readme_sleeps_until_it_finds_and_tells_once(module_of: Any, site: str) -> None:
    watch: type[Program] = module_of("README.md").Watch
    shell = InMemoryShell()
    ended = run_program(watch, {"page": site, "word": "on sale", "tell": f"{site}hook"}, shell)
    assert ended.output == {"title": "Fair"}
    assert shell.waits == [3600]
    assert [body for _, body in Site.told] == [{"found": "Fair"}]
    assert Site.told[0][0].startswith("idem_")


@pytest.fixture
def books(tmp_path: Path) -> Path:
    folder = tmp_path / "books"
    folder.mkdir()
    for number, paid in ((1, False), (2, True), (3, False)):
        (folder / f"invoice-{number}.json").write_text(json.dumps({"number": number, "paid": paid}))
    return folder


def test_the_agent_of_the_guide_reminds_twice_a_week_apart(module_of: Any, books: Path) -> None:
    dunning: type[Program] = module_of("docs/how-to/write-an-agent.md").Dunning
    shell = InMemoryShell()
    ended = run_program(dunning, {"folder": str(books)}, shell)
    assert ended.output == {"reminded": 4, "last": shell.time}
    assert (shell.waits, shell.logs, shell.figures) == (
        [604_800],
        ["2 invoices are open"],
        (2, 2, "reminders"),
    )
    assert dunning().title_of(ended.state) == "Dunning of books"
    run_program(dunning, {"folder": str(books)}, InMemoryShell())
    assert len(list(books.glob("reminder-*.json"))) == 4, (
        "the same reminder of another run is the same action"
    )


def test_the_agent_of_the_guide_ends_with_a_reason_where_there_are_no_books(
    module_of: Any, books: Path
) -> None:
    dunning: type[Program] = module_of("docs/how-to/write-an-agent.md").Dunning
    ended = run_program(dunning, {"folder": str(books / "none")}, InMemoryShell())
    assert ended.failure
    assert ended.failure.code == "no_folder"
    for path in books.glob("invoice-*"):
        path.unlink()
    assert run_program(dunning, {"folder": str(books)}, InMemoryShell()).output == {"reminded": 0}


def test_the_agent_of_the_guide_to_waiting_asks_waits_and_ends(module_of: Any) -> None:
    order: type[Program] = module_of("docs/how-to/wait-for-things.md").Order
    invoice: JsonObject = {"invoice": "A-1", "amount": 7}

    def ended(*deliveries: Any) -> Any:
        return run_program(order, {**invoice}, InMemoryShell(deliveries=list(deliveries))).output

    yes = {"type": "edit", "args": {"amount": 6}, "by": "Ada", "message": ""}
    assert ended(yes, {"kind": "event", "at": "today"}) == {"paid": True, "at": "today"}
    assert ended(yes, {"kind": "signal", "payload": "enough"}) == {"paid": False, "why": "enough"}
    assert ended(yes) == {"paid": False, "why": "nothing came in two days"}
    assert ended({"type": "reject", "by": "Ada", "message": "too much"}) == {"paid": False, "why": "too much"}


def test_the_agents_of_the_guide_to_child_runs_count_the_words_of_a_book(
    module_of: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = module_of("docs/how-to/split-work-over-child-runs.md")
    monkeypatch.setattr("tests.fakes.get_program", {"chapter": module.Chapter}.__getitem__)
    shell = InMemoryShell()
    ended = run_program(module.Book, {"chapters": ["one two", "three", ""]}, shell)
    assert ended.output == {"words": 3 + 4 + 3, "failed": 0}
    assert len(shell.children) == 5
    entries = [{**entry, "is_left_out": True} for entry in shell.children.values()]

    class Ctx:
        def child_outputs(self, *given: Any) -> list[Any]:
            return [entry["output"] for entry in given]

    assert [found["words"] for found in module.totals(Ctx(), entries)] == [2, 1, 0, 4, 3]


def test_the_guide_knows_every_name_that_an_author_may_import() -> None:
    from runs import program

    guide = (ROOT / "docs/how-to/write-an-agent.md").read_text(encoding="utf-8")
    told = set(re.findall(r"\w+", guide))
    assert set(program.__all__) - {"Context", "ToolCall"} <= told


def test_the_guide_knows_every_option_of_a_tool_and_every_update() -> None:
    import inspect

    from runs.engine.commands import Advance

    guide = (ROOT / "docs/how-to/write-an-agent.md").read_text(encoding="utf-8")
    options = set(inspect.signature(registry.tool).parameters) - {"name"}
    updates = {field.name for field in fields(Advance)}
    assert {name for name in options | updates if f"`{name}" not in guide} == set()


def test_the_check_of_the_guide_takes_genuine_callbacks_and_no_others(module_of: Any) -> None:
    from time import time

    from agentops.common.standard_webhooks import headers_of, secret_text

    is_genuine = module_of("docs/how-to/receive-a-callback.md").is_genuine
    key, body, now = b"k" * 32, b'{"type":"run.ended"}', int(time())
    secret, sent = secret_text(key), headers_of("msg", now, body, [b"other", key])
    assert is_genuine(secret, sent, body)
    assert not is_genuine(secret, sent, body + b" ")
    assert not is_genuine(secret_text(b"x" * 32), sent, body)
    assert not is_genuine(secret, {**sent, "webhook-id": "other"}, body)
    assert not is_genuine(secret, headers_of("msg", now - 301, body, [key]), body)
    for signature in ("", "garbage", "v1,", "v1,abc", "v1,a,b", "v2,abc", "v1,ä", "\ud800"):
        assert not is_genuine(secret, {**sent, "webhook-signature": signature}, body)
    for timestamp in ("", "soon", "-1", "²"):
        assert not is_genuine(secret, {**sent, "webhook-timestamp": timestamp}, body)
