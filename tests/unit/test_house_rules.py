"""The house's own rules: sizes, clocks, paths, and names that must exist."""

import ast
import re
import statistics
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from agentops.celery import app as celery_app
from runs import dispatch

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("agentops", "runs", "approvals", "memory")
MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 50
MAX_P95_LINES = 40
MAX_MEDIAN_LINES = 10

# The database's clock only: these read this machine's.
OWN_CLOCK = re.compile(r"\b(datetime|timezone)\.now\(|\butcnow\(|\bdate\.today\(|\btime\.time\(")
# A date in `Retry-After` is of another machine's clock; the demo site is such a machine.
# The times of files are of this machine, too. What a service account signs counts from now on, and is stored nowhere.
MAY_READ_OWN_CLOCK = {
    "runs/tools/exchange.py", "runs/sources/folder.py", "agentops/demo/site/server.py", "runs/llm/service_account.py",
}  # fmt: skip
# Folders that exist on one machine only, and the package index that only it may use.
MACHINE_PATH = re.compile(
    r"(?<![\w.$}])/(?:work|Users|home/\w+|root/\w+|mnt|media)/|index[-_]url[= ]+\w+://", re.IGNORECASE
)
INDEX_LINE = re.compile(
    r"^\s*(?:-i|--index-url|--extra-index-url|-f|--find-links|--trusted-host)\b|://", re.MULTILINE
)


def sources() -> list[Path]:
    found = [path for package in PACKAGES for path in (ROOT / package).rglob("*.py")]
    return sorted(path for path in found if "migrations" not in path.parts)


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def tracked_files() -> list[Path]:
    """Return what a clone has; outside of a clone, what lies in the packages and beside them."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=False, capture_output=True, text=True)
    if listed.returncode == 0:
        paths = [ROOT / name for name in listed.stdout.split("\0") if name]
        return [path for path in paths if path.is_file()]
    return [*sources(), *(path for path in ROOT.glob("*") if path.is_file()), *(ROOT / "docs").rglob("*.md")]


def functions() -> Iterator[tuple[str, int]]:
    """Yield each function's place and its length: decorators included, the docstring left out."""
    for path in sources():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
                length = (node.end_lineno or first) - first + 1 - docstring_lines(node)
                yield f"{name_of(path)}:{node.lineno} {node.name}", length


def docstring_lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    first = node.body[0]
    return (first.end_lineno or 0) - first.lineno + 1 if ast.get_docstring(node) is not None else 0


def test_no_file_is_longer_than_a_reader_can_hold() -> None:
    lengths = {name_of(path): len(path.read_text(encoding="utf-8").splitlines()) for path in sources()}
    assert {name: n for name, n in lengths.items() if n > MAX_FILE_LINES} == {}


def test_functions_are_short() -> None:
    lengths = dict(functions())
    assert {name: n for name, n in lengths.items() if n > MAX_FUNCTION_LINES} == {}
    assert statistics.median(lengths.values()) <= MAX_MEDIAN_LINES
    assert statistics.quantiles(lengths.values(), n=20)[-1] <= MAX_P95_LINES


def test_no_code_reads_the_clock_of_its_own_machine() -> None:
    readers = {name_of(path) for path in sources() if OWN_CLOCK.search(path.read_text(encoding="utf-8"))}
    assert readers <= MAY_READ_OWN_CLOCK


def test_nothing_names_a_place_that_only_one_machine_has() -> None:
    found = {
        f"{name_of(path)}: {match[0]}"
        for path in tracked_files()
        for match in MACHINE_PATH.finditer(path.read_text(encoding="utf-8", errors="replace"))
        if path != Path(__file__)
    }
    assert found == set()


def test_locked_requirements_hold_hashes_and_no_addresses() -> None:
    locks = sorted((ROOT / "requirements").glob("*.txt"))
    assert locks
    for lock in locks:
        text = lock.read_text(encoding="utf-8")
        assert not INDEX_LINE.search(text), lock.name
        names = re.findall(
            r"^[A-Za-z0-9_.\[\]-]+==\S+.*(?:\n\s+--hash=sha256:[0-9a-f]{64}.*)+", text, re.MULTILINE
        )
        assert len(names) == len(re.findall(r"^[A-Za-z0-9]", text, re.MULTILINE)), lock.name


def test_every_task_that_is_sent_is_registered() -> None:
    celery_app.loader.import_default_modules()
    assert dispatch.TASK in celery_app.tasks


@pytest.mark.parametrize("sending", [r"\bsend_task\(", r"\bapply_async\(", r"\.delay\("])
def test_only_dispatch_sends_tasks(sending: str) -> None:
    users = {name_of(path) for path in sources() if re.search(sending, path.read_text(encoding="utf-8"))}
    assert users <= {"runs/dispatch.py"}


def test_the_engine_is_pure() -> None:
    allowed = {"runs.engine", "agentops.common.canonical", "agentops.common.types", "agentops.common.errors"}
    impure = {"os", "time", "random", "secrets", "socket", "subprocess", "threading", "asyncio", "django"}
    for path in sorted((ROOT / "runs/engine").glob("*.py")):
        for name in imports_of(path):
            own = name.split(".")[0] in PACKAGES
            assert name.split(".")[0] not in impure, f"{name_of(path)} imports {name}"
            assert not own or any(name == known or name.startswith(f"{known}.") for known in allowed), (
                f"{name_of(path)} imports {name}"
            )


def imports_of(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            yield node.module or ""
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
