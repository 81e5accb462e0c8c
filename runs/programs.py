"""The programs that this process can run: from settings.AGENT_MODULES, entry points, and the folder `AGENTS`.

A program is known by its name and its declared version (PROTOCOL 26). Files in `AGENTS` are looked at again now
and then: a changed file is taken between slices. One that cannot be loaded leaves what it defined before in place,
and its error is shown.
"""

import hashlib
import importlib
import importlib.util
import inspect
import logging
import os
import sys
import threading
import time
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType

from django.conf import settings

import runs.tools.http
import runs.tools.mail
import runs.tools.premises
import runs.tools.sql  # noqa: F401 -- these register the tools that every program may use
from runs.engine.errors import ProgramError
from runs.engine.program import Program

ENTRY_POINT_GROUP = "agentops.programs"
LOOK_AGAIN_SECONDS = 1.0

logger = logging.getLogger(__name__)

Key = tuple[str, str]
Stamp = tuple[int, int]


@dataclass(slots=True)
class _Registry:
    """What is loaded, from which files, and what could not be."""

    programs: dict[Key, type[Program]] = field(default_factory=dict)
    installed: list[ModuleType] | None = None
    files: dict[Path, tuple[Stamp, ModuleType | None]] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)
    looked_at: float = 0.0
    lock: threading.Lock = field(default_factory=threading.Lock)


_registry = _Registry()


def programs() -> dict[Key, type[Program]]:
    """Return every program by name and declared version.

    Raises: ProgramError when two programs of the installation share both.
    """
    refresh()
    return _registry.programs


def get_program(name: str, version: str | None = None) -> type[Program]:
    """Return the program of the declared version; any version of that name when none is asked for.

    Raises: ProgramError naming what there is.
    """
    found = programs()
    keys = [key for key in found if key[0] == name and version in (None, key[1])]
    if keys:
        return found[keys[-1]]
    versions = ", ".join(repr(key[1]) for key in found if key[0] == name)
    if versions:
        raise ProgramError(f"program {name!r} is here in version {versions}, not {version!r}")
    known = ", ".join(sorted({key[0] for key in found})) or "none"
    raise ProgramError(f"there is no program {name!r} here; known are: {known}")


def problems() -> dict[str, str]:
    """Return the error of each agent file that could not be loaded."""
    refresh()
    return dict(_registry.problems)


def refresh() -> None:
    """Take up changed files of `AGENTS`; looks at most once every LOOK_AGAIN_SECONDS."""
    with _registry.lock:
        is_first = _registry.installed is None
        if not is_first and time.monotonic() - _registry.looked_at < LOOK_AGAIN_SECONDS:
            return
        if is_first:
            _registry.installed = _installed_modules()
        if _take_changed_files() or is_first:
            _registry.programs = _collected()
        _registry.looked_at = time.monotonic()


def source_hash(program: type[Program]) -> str:
    """Return the SHA-256 of the file that defines the program (information only)."""
    return hashlib.sha256(Path(inspect.getfile(program)).read_bytes()).hexdigest()


def _installed_modules() -> list[ModuleType]:
    named = [importlib.import_module(name) for name in settings.AGENT_MODULES]
    return named + [importlib.import_module(entry.module) for entry in entry_points(group=ENTRY_POINT_GROUP)]


def _take_changed_files() -> bool:
    """Load the files of `AGENTS` that are new or changed; returns whether anything is different."""
    folder = os.environ.get("AGENTS")
    present = {path: _stamp(path) for path in sorted(Path(folder).glob("*.py"))} if folder else {}
    changed = [path for path, stamp in present.items() if _registry.files.get(path, (None, None))[0] != stamp]
    gone = [path for path in _registry.files if path not in present]
    for path in gone:
        del _registry.files[path]
        _registry.problems.pop(str(path), None)
    for path in changed:
        _registry.files[path] = (present[path], _loaded(path))
    return bool(changed or gone)


def _stamp(path: Path) -> Stamp:
    found = path.stat()
    return found.st_mtime_ns, found.st_size


def _loaded(path: Path) -> ModuleType | None:
    """Return the module as the file is now, or as it was when the file cannot be loaded."""
    try:
        module = _module_at(path)
    except Exception as error:  # noqa: BLE001 -- an agent's file may do anything when it is loaded
        logger.warning("agent file %s: %s: %s", path, type(error).__name__, error)
        _registry.problems[str(path)] = f"{type(error).__name__}: {error}"
        return _registry.files.get(path, (None, None))[1]
    _registry.problems.pop(str(path), None)
    return module


def _module_at(path: Path) -> ModuleType:
    name = f"agentops_agents_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def _collected() -> dict[Key, type[Program]]:
    found: dict[Key, type[Program]] = {}
    for program in (item for module in _registry.installed or [] for item in _programs_in(module)):
        other = found.setdefault((program.name, program.version), program)
        if other is not program:
            raise ProgramError(
                f"two programs are {program.name!r} version {program.version!r}: "
                f"in {other.__module__} and in {program.__module__}; rename one or raise its version"
            )
    for path, (_, module) in _registry.files.items():
        for program in _programs_in(module) if module else []:
            if found.setdefault((program.name, program.version), program) is not program:
                _registry.problems[str(path)] = (
                    f"program {program.name!r} {program.version!r} is defined elsewhere too"
                )
    return found


def _programs_in(module: ModuleType) -> list[type[Program]]:
    members = list(vars(module).values())
    found = [m for m in members if isinstance(m, type) and issubclass(m, Program) and m is not Program]
    return [program for program in found if not vars(program).get("is_abstract")]
