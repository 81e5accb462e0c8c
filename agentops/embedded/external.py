"""The user's own servers: whether they can be reached, in a sentence without their passwords."""

from urllib.parse import urlsplit

import psycopg
import redis

from agentops.embedded.errors import EmbeddedError
from agentops.embedded.waiting import wait_until

_PATIENCE_SECONDS = 30


def check_postgres(url: str) -> None:
    """Returns once the database answers.

    Raises:
        EmbeddedError: It did not in half a minute; the message says why.
    """
    _check(_PostgresProbe(url), f"the PostgreSQL of DATABASE_URL ({_place(url)})")


def check_redis(url: str) -> None:
    """Returns once the Redis answers.

    Raises:
        EmbeddedError: It did not in half a minute; the message says why.
    """
    _check(_RedisProbe(url), f"the Redis of REDIS_URL ({_place(url)})")


class _Probe:
    """Asks a server for a sign of life and keeps why it gave none."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.problem = ""


class _PostgresProbe(_Probe):
    def __call__(self) -> bool:
        try:
            psycopg.connect(self.url, connect_timeout=5).close()
        except psycopg.Error as error:
            self.problem = str(error).strip()
            return False
        return True


class _RedisProbe(_Probe):
    def __call__(self) -> bool:
        try:
            with redis.from_url(self.url, socket_connect_timeout=5) as client:
                client.ping()
        except (redis.exceptions.RedisError, ValueError) as error:
            self.problem = str(error).strip()
            return False
        return True


def _check(probe: _PostgresProbe | _RedisProbe, name: str) -> None:
    try:
        wait_until(probe, what=f"{name} did not answer", timeout_seconds=_PATIENCE_SECONDS)
    except EmbeddedError as error:
        raise EmbeddedError(f"{error}: {probe.problem}") from error


def _place(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
