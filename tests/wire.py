"""What goes over the wire to PostgreSQL, by libpq's own trace: prepared statements bypass Django's query log."""

import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection

_COMPLETE = re.compile(r'^[^\t]*\tB\t\d+\tCommandComplete\t "(\w+)', re.MULTILINE)


@contextmanager
def statements() -> Iterator[list[str]]:
    """Yield a list that holds afterwards what was executed on this thread's connection: SELECT, INSERT and so on."""
    connection.ensure_connection()
    found: list[str] = []
    with tempfile.TemporaryFile("w+", errors="replace") as file:
        connection.connection.pgconn.trace(file.fileno())
        try:
            yield found
        finally:
            connection.connection.pgconn.untrace()
            file.seek(0)
            found += _COMPLETE.findall(file.read())
