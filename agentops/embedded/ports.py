"""TCP ports: the web's and the demo site's, the only ones there are."""

import random
import socket
import sys

from agentops.embedded.errors import EmbeddedError

# Below the range from which the kernel takes the ports of outgoing connections.
_QUIET_RANGE = range(20_000, 32_000)
_ATTEMPTS = 100


class PortReservation:
    """A port that nobody listens on, and that no other `make up` on this machine chooses meanwhile."""

    def __init__(self, host: str, wanted: int) -> None:
        """Takes `wanted` or the next free one after it.

        Raises:
            EmbeddedError: None of the next hundred is free, or `host` is no address of this machine.
        """
        self.host = host
        for port in range(wanted, min(wanted + _ATTEMPTS, 65_536)):
            if is_free(host, port) and (claim := _claim(port)) is not None:
                self.port, self._claim = port, claim
                return
        raise EmbeddedError(f"no free port from {wanted} on {host}: set PORT")

    def release(self) -> None:
        """Lets others choose the port."""
        self._claim.close()


def is_free(host: str, port: int) -> bool:
    """Whether a server could listen on the port now.

    Raises:
        EmbeddedError: `host` is no address of this machine.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except socket.gaierror as error:
        raise EmbeddedError(f"HOST={host} is no address of this machine: {error.strerror}") from error
    with socket.socket(family, kind, protocol) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(address)
        except OSError:
            return False
    return True


def quiet_port(host: str) -> int:
    """A free port, by chance, so that installations which remember theirs rarely meet."""
    for port in random.sample(_QUIET_RANGE, _ATTEMPTS):
        if is_free(host, port):
            return port
    raise EmbeddedError(f"no free port between {_QUIET_RANGE.start} and {_QUIET_RANGE.stop} on {host}")


def _claim(port: int) -> socket.socket | None:
    claim = socket.socket(socket.AF_UNIX)
    if sys.platform == "linux":
        try:
            # A name without a file: it is gone with the process.
            claim.bind(f"\0agentops-port-{port}")
        except OSError:
            claim.close()
            return None
    return claim
