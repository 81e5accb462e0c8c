"""The folder in which one installation keeps everything, `.agentops/` unless `AGENTOPS_HOME` names another."""

import functools
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from agentops.embedded.accounts import Account
from agentops.embedded.directories import passable_directory, private_directory, socket_directory
from agentops.embedded.errors import EmbeddedError
from agentops.embedded.files import locked, write_private
from agentops.embedded.processes import run

# Root's data that another user must reach, where the home itself lies behind a closed door.
SYSTEM_ROOT = Path("/var/lib/agentops")


@dataclass(frozen=True)
class Home:
    """Paths of one installation."""

    root: Path

    @property
    def environment(self) -> Path:
        """What the children and `manage.py` in another terminal take as defaults."""
        return self.root / "env"

    @property
    def ready(self) -> Path:
        """Where a running product says how to reach it."""
        return self.root / "ready.json"

    @property
    def logs(self) -> Path:
        """One log a child."""
        return self.root / "logs"

    @property
    def state(self) -> Path:
        """The supervisor's configuration and the record of what runs."""
        return self.root / "run"

    @functools.cached_property
    def sockets(self) -> Path:
        """Where the current user's sockets are; somewhere else where the home's path is too long."""
        return socket_directory(self.root / "run")

    @property
    def lock(self) -> Path:
        """Held by the process that runs the installation; it holds that process's id."""
        return self.root / "up.lock"

    @property
    def mark(self) -> str:
        """What the environment of every process of this installation bears, and of no copy of it."""
        return hashlib.sha256(os.fsencode(self.root)).hexdigest()[:16]

    def create(self) -> None:
        """Makes the folder and its parts, closed to others.

        Raises:
            EmbeddedError: It belongs to somebody else.
        """
        if self.root.exists() and self.root.stat().st_uid != os.geteuid():
            raise EmbeddedError(
                f"{self.root} belongs to user id {self.root.stat().st_uid}: start as that user, "
                "or name a folder of your own in AGENTOPS_HOME"
            )
        self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Never listed by others; whether PostgreSQL's user may pass through is for `postgres_base` to say.
        self.root.chmod(self.root.stat().st_mode & (0o711 if os.geteuid() == 0 else 0o700))
        for part in (self.logs, self.state):
            private_directory(part)

    @contextmanager
    def held(self) -> Iterator[bool]:
        """Whether this process has the installation to itself; it keeps it until the block ends."""
        with locked(self.lock) as ours:
            yield ours

    def postgres_data(self) -> list[Path]:
        """The data directories this home has or had, for whoever looks for a server that still runs."""
        outside = self._known_outside()
        return [base / "data" for base in (self.root / "postgres", outside) if base and base.exists()]

    def postgres_base(self, account: Account | None) -> Path:
        """Where PostgreSQL's data are: in the home, or below `SYSTEM_ROOT` where `account` cannot enter the home.

        Nobody's folder is opened for it but the home itself: root's home gets mode 0711, its parts stay closed.

        Raises:
            EmbeddedError: There are data in the home, and `account` can no longer reach them.
        """
        inside = self.root / "postgres"
        if account is None:
            return private_directory(inside)
        self.root.chmod(0o711)
        is_reachable = run(["test", "-x", self.root], account).returncode == 0
        if inside.exists() and not is_reachable:
            raise EmbeddedError(
                f"PostgreSQL's data are in {inside}, and user {account.name} can no longer enter {self.root}: "
                "give the folders above it their old mode back"
            )
        if inside.exists() or (is_reachable and not self._pointer.exists()):
            return passable_directory(inside)
        return self._outside()

    @property
    def _pointer(self) -> Path:
        return self.root / "postgres.path"

    def _outside(self) -> Path:
        if base := self._known_outside():
            if not base.exists():
                raise EmbeddedError(
                    f"PostgreSQL's data were in {base} and are gone: remove {self._pointer} to begin anew"
                )
            (base / "home").write_text(str(self.root))
            return base
        return self._new_outside()

    def _known_outside(self) -> Path | None:
        """The base below `SYSTEM_ROOT`; None where there is none, or where it belongs to the home we are a copy of."""
        if not self._pointer.exists():
            return None
        base = Path(self._pointer.read_text().strip())
        return base if not base.exists() or self._may_take(base) else None

    def _new_outside(self) -> Path:
        fresh = SYSTEM_ROOT / os.urandom(8).hex()
        for directory in (SYSTEM_ROOT, fresh):
            passable_directory(directory)
        (fresh / "home").write_text(str(self.root))
        write_private(self._pointer, f"{fresh}\n")
        return fresh

    def _may_take(self, base: Path) -> bool:
        """False for a copied home whose original is still there: two servers must not share one data directory."""
        owner = Home(Path((base / "home").read_text()))
        return (
            owner.root == self.root
            or not owner._pointer.exists()
            or owner._pointer.read_text().strip() != str(base)
        )
