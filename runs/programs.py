"""The programs that this process can run: from settings.AGENT_MODULES, entry points, and `AGENTS`."""

import hashlib
import importlib
import importlib.util
import inspect
import os
import sys
from functools import lru_cache
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType

from django.conf import settings

import runs.tools.http  # noqa: F401 -- registers the tools that every program may use
from runs.engine.errors import ProgramError
from runs.engine.program import Program

ENTRY_POINT_GROUP = "agentops.programs"


@lru_cache(maxsize=1)
def programs() -> dict[str, type[Program]]:
    """Return every program by name.

    Raises: ProgramError when two programs share a name and version, naming both.
    """
    found: dict[str, type[Program]] = {}
    for module in _modules():
        for program in _programs_in(module):
            other = found.setdefault(program.name, program)
            if other is not program:
                raise ProgramError(
                    f"two programs are named {program.name!r}: {other.__module__} and {program.__module__}"
                )
    return found


def get_program(name: str) -> type[Program]:
    """Return the program.

    Raises: ProgramError naming the programs that exist.
    """
    if name not in programs():
        raise ProgramError(
            f"there is no program {name!r} here; known are: {', '.join(sorted(programs())) or 'none'}"
        )
    return programs()[name]


def source_hash(program: type[Program]) -> str:
    """Return the SHA-256 of the file that defines the program (information only, PROTOCOL 26)."""
    return hashlib.sha256(Path(inspect.getfile(program)).read_bytes()).hexdigest()


def _modules() -> list[ModuleType]:
    named = [importlib.import_module(name) for name in settings.AGENT_MODULES]
    entered = [importlib.import_module(entry.module) for entry in entry_points(group=ENTRY_POINT_GROUP)]
    return named + entered + [_module_at(path) for path in _agent_files()]


def _agent_files() -> list[Path]:
    folder = os.environ.get("AGENTS")
    return sorted(Path(folder).glob("*.py")) if folder else []


def _module_at(path: Path) -> ModuleType:
    name = f"agentops_agents_{path.stem}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def _programs_in(module: ModuleType) -> list[type[Program]]:
    exported = [getattr(module, name) for name in vars(module)]
    return [
        item
        for item in exported
        if isinstance(item, type) and issubclass(item, Program) and item is not Program
    ]
