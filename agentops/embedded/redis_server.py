"""A Redis of our own: one data directory, one unix socket, no TCP port."""

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import redis

from agentops.embedded.directories import private_directory

_DATABASES = 64


@dataclass(frozen=True)
class Redis:
    """A Redis server that does not run yet.

    Attributes:
        program: The server's executable.
        data: Private directory of the append-only file.
        socket: Path of the unix socket, in a private directory.
    """

    program: Path
    data: Path
    socket: Path

    @property
    def command(self) -> list[str]:
        """What starts the server in the foreground."""
        options = {
            "port": "0", "unixsocket": str(self.socket), "unixsocketperm": "700", "dir": str(self.data),
            "save": "", "appendonly": "yes", "daemonize": "no", "databases": str(_DATABASES),
        }  # fmt: skip
        return [
            str(self.program),
            *(word for name, value in options.items() for word in (f"--{name}", value)),
        ]

    def url(self, *, database: int = 0) -> str:
        """The address for clients, for example ``unix:///home/…/redis.sock?db=0``."""
        return f"unix://{quote(str(self.socket))}?db={database}"

    def prepare(self) -> None:
        """Makes the directories and drops the socket of a server that was killed."""
        private_directory(self.data)
        private_directory(self.socket.parent)
        self.socket.unlink(missing_ok=True)

    def accepts(self) -> bool:
        """Whether the server has loaded its data and takes commands now."""
        try:
            with redis.Redis(unix_socket_path=str(self.socket)) as client:
                client.ping()
        except redis.exceptions.RedisError:
            return False
        return True
