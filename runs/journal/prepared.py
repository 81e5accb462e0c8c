"""Statements that stay prepared, executed by one blocking call into libpq.

Psycopg's own way sends a statement and then waits for it in steps that take the interpreter's lock again and again:
50 µs of processor a statement, against 12 here, and more beside other threads. Inside a transaction block statements
take psycopg's way.
"""

import itertools
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple
from uuid import UUID
from weakref import WeakKeyDictionary

from psycopg import Connection, DataError, OperationalError, ProgrammingError, pq
from psycopg.adapt import Transformer
from psycopg.errors import error_from_result

Row = tuple[Any, ...]


class _Kind(NamedTuple):
    """How values of one Python type are sent: PostgreSQL's type, its format, and the bytes."""

    oid: int
    format: int
    dump: Callable[[Any], bytes | None]


_TEXT, _BINARY = 0, 1
_NO_SUCH_STATEMENT = b"26000"  # psycopg deallocates all statements of a connection after a rollback


def _characters(text: str) -> bytes:
    if "\0" in text:  # libpq would end the text there, in silence
        raise DataError("PostgreSQL text fields cannot contain NUL (0x00) bytes")
    return text.encode()


def _array(items: Sequence[str | UUID | int | bytes]) -> bytes:
    texts = ["\\x" + item.hex() if isinstance(item, bytes) else str(item) for item in items]
    quoted = [text.replace("\\", "\\\\").replace('"', '\\"') for text in texts]
    return _characters("{" + ",".join(f'"{text}"' for text in quoted) + "}")


# Text goes without a type, so that the server takes that of the column, as with psycopg. Numbers are always bigint:
# a type by magnitude would prepare the same statement again and again.
_KINDS: dict[type, _Kind] = {
    type(None): _Kind(0, _TEXT, lambda _: None),
    str: _Kind(0, _TEXT, _characters),
    int: _Kind(20, _TEXT, lambda number: b"%d" % number),
    float: _Kind(701, _TEXT, lambda number: repr(number).encode()),
    bool: _Kind(16, _TEXT, lambda truth: b"t" if truth else b"f"),
    bytes: _Kind(17, _BINARY, lambda data: data),
    UUID: _Kind(2950, _BINARY, lambda uuid: uuid.bytes),
    list: _Kind(0, _TEXT, _array),  # of text, ids, numbers or bytes
}


class _Text(NamedTuple):
    """A statement as libpq wants it: `$1`, `$2` … for the named parameters."""

    sql: bytes
    names: list[str]


class _Plan(NamedTuple):
    """A prepared statement: its name on the connection, and how to send each value."""

    name: bytes
    dumps: list[Callable[[Any], bytes | None]]
    formats: list[int]


class _Prepared:
    """What one connection has prepared, by statement and the types of its values.

    No number is given twice: after a rollback has deallocated some, others may stand under the numbers that follow.
    """

    def __init__(self, connection: Connection[Any]) -> None:
        self.numbers = itertools.count()
        self.plans: dict[tuple[str, tuple[type, ...]], _Plan] = {}
        self.transformer = Transformer.from_context(connection)


_of_connection: WeakKeyDictionary[Connection[Any], _Prepared] = WeakKeyDictionary()


def run(connection: Connection[Any], sql: str, params: Mapping[str, Any]) -> list[Row]:
    """Return the rows of the statement, prepared and bound on the server.

    Raises: psycopg.Error as it comes.
    """
    if not connection.autocommit:
        cursor = connection.execute(sql, params, prepare=True)
        return cursor.fetchall() if cursor.description else []
    prepared = _of_connection.get(connection)
    if prepared is None:
        prepared = _of_connection[connection] = _Prepared(connection)
    values = [params[name] for name in _text(sql).names]
    key = (sql, tuple(map(type, values)))
    with connection.lock:
        plan = prepared.plans.get(key) or _prepare(connection, prepared, key)
        dumped: list[Any] = [dump(value) for dump, value in zip(plan.dumps, values, strict=True)]
        result = connection.pgconn.exec_prepared(plan.name, dumped, plan.formats)
        if result.error_field(pq.DiagnosticField.SQLSTATE) == _NO_SUCH_STATEMENT:
            prepared.plans.clear()
            plan = _prepare(connection, prepared, key)
            result = connection.pgconn.exec_prepared(plan.name, dumped, plan.formats)
    _check(connection, result)
    prepared.transformer.set_pgresult(result)
    return prepared.transformer.load_rows(0, result.ntuples, tuple)


def _prepare(connection: Connection[Any], prepared: _Prepared, key: tuple[str, tuple[type, ...]]) -> _Plan:
    sql, types = key
    kinds = [_kind_of(type_) for type_ in types]
    name = b"agentops_%d" % next(prepared.numbers)
    _check(connection, connection.pgconn.prepare(name, _text(sql).sql, [kind.oid for kind in kinds]))
    plan = _Plan(name, [kind.dump for kind in kinds], [kind.format for kind in kinds])
    prepared.plans[key] = plan
    return plan


def _kind_of(type_: type) -> _Kind:
    for base in type_.__mro__:
        if base in _KINDS:
            return _KINDS[base]
    raise ProgrammingError(f"a value of type {type_.__name__} cannot be bound here")


def _check(connection: Connection[Any], result: pq.abc.PGresult) -> None:
    if result.status in (pq.ExecStatus.TUPLES_OK, pq.ExecStatus.COMMAND_OK):
        return
    if connection.closed or not result.error_field(pq.DiagnosticField.SQLSTATE):
        # Without a code the error is libpq's own: it could not send, and may not have noticed yet that nobody listens.
        message = result.get_error_message()
        connection.close()
        raise OperationalError(message)
    raise error_from_result(result)


@lru_cache(maxsize=512)
def _text(sql: str) -> _Text:
    names: list[str] = []
    parts = sql.replace("%%", "\0").split("%(")
    for index, part in enumerate(parts[1:], 1):
        name, _, rest = part.partition(")s")
        if name not in names:
            names.append(name)
        parts[index] = f"${names.index(name) + 1}{rest}"
    return _Text("".join(parts).replace("\0", "%").encode(), names)
