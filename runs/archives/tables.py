"""What a run is made of, table by table: the rows that move into its archive, as PostgreSQL itself writes and reads them.

Rows are JSON as `row_to_json` gives it and `json_populate_recordset` takes it, so every type and every digit comes back.
"""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import Model

from agentops.common.transactions import transaction_required
from runs.checkpoints.blobs import STAYS
from runs.models import (
    Agent,
    AgentVersion,
    Attempt,
    Blob,
    Branch,
    Checkpoint,
    Cut,
    Fanout,
    FileUse,
    Intent,
    LogLine,
    Outcome,
    Reuse,
    Run,
    Signal,
    Step,
    Wait,
)

# They leave the database when a run is archived. A table with a run in it stands here, or in LEFT, or in STAYING.
MOVED: tuple[type[Model], ...] = (
    Step, Attempt, Intent, Outcome, Checkpoint, LogLine, Branch, Reuse, Wait, Signal, Fanout, FileUse, Cut,
)  # fmt: skip
# They are gone with the rows, and of no use elsewhere.
LEFT = ("runs_cachedread", "runs_runsize")
# They stay for as long as the run is listed: what it was asked, told, held and found by.
STAYING = (
    "approvals_request", "runs_budget", "runs_callback", "runs_nudge", "runs_reservation", "runs_runhold", "runs_runlook",
    "runs_runtext", "runs_runvalue", "runs_schedulefire", "runs_stuckstate", "runs_triggerstart",
)  # fmt: skip
ROW_BYTES = 28  # what the page and the row's head take besides the values

_REFERRED = """
SELECT body AS digest FROM runs_outcome WHERE run_id = %(run_id)s AND body_codec = 2
UNION SELECT request FROM runs_outcome WHERE run_id = %(run_id)s AND request_codec = 2
UNION SELECT body FROM runs_checkpoint WHERE run_id = %(run_id)s AND codec = 2
UNION SELECT body FROM runs_reuse WHERE run_id = %(run_id)s AND body_codec = 2
UNION SELECT output FROM runs_run WHERE id = %(run_id)s AND output_codec = 2
UNION SELECT digest FROM runs_fileuse WHERE run_id = %(run_id)s
"""


def table(model: type[Model]) -> str:
    return model._meta.db_table  # noqa: SLF001 -- Django's documented way to ask a model


_ALONE: tuple[type[Model], ...] = (Run, Agent, AgentVersion, Blob)
NAMES = frozenset(table(model) for model in (*_ALONE, *MOVED))


@transaction_required
def rows_of(run_id: UUID) -> Iterator[tuple[str, str]]:
    """Yield table and JSON of every row that belongs to a run, as they stand at one instant.

    The run's own row, its agent and version come along, and the large values that it refers to; those last, one at a
    time. Transaction: the caller's, for as long as it reads.
    """
    with connection.chunked_cursor() as cursor:
        cursor.execute(_everything(), {"run_id": run_id})
        yield from cursor
    with connection.cursor() as cursor:
        cursor.execute(_REFERRED, {"run_id": run_id})
        digests = [row[0] for row in cursor.fetchall()]
        for digest in digests:
            cursor.execute("SELECT row_to_json(b)::text FROM runs_blob b WHERE digest = %s", [digest])
            if row := cursor.fetchone():
                yield table(Blob), row[0]


def fingerprint(run_id: UUID) -> list[tuple[Any, ...]]:
    """Return what changes whenever a row of the run that moves is added, altered or taken away."""
    with connection.cursor() as cursor:
        cursor.execute(_fingerprints(), {"run_id": run_id})
        return list(cursor.fetchall())


@transaction_required
def insert_rows(name: str, rows: Sequence[bytes]) -> None:
    """Insert rows as `rows_of` gave them; those that stand already are left alone. A column that they lack has its default.

    Raises: ValueError for a table that is none of a run, or a column that it does not have here.
    """
    if name not in NAMES:
        raise ValueError(f"no run is made of rows of {name}")
    document = "[" + ",".join(row.decode() for row in rows) + "]"
    with connection.cursor() as cursor:
        cursor.execute("SELECT DISTINCT json_object_keys(r) FROM json_array_elements(%s::json) r", [document])
        given = sorted(row[0] for row in cursor.fetchall())
        known = {column.name for column in connection.introspection.get_table_description(cursor, name)}
        if strange := set(given) - known:
            raise ValueError(
                f"{name} has no columns {', '.join(sorted(strange))} here; is the archive of a later version?"
            )
        columns = ", ".join(f'"{column}"' for column in given)
        cursor.execute(
            f"INSERT INTO {name} ({columns}) SELECT {columns} FROM json_populate_recordset(NULL::{name}, %s::json)"  # noqa: S608 -- names of our own tables
            f" {STAYS if name == table(Blob) else 'ON CONFLICT DO NOTHING'}",
            [document],
        )


@lru_cache(maxsize=64)
def bytes_of(model: type[Model], alias: str) -> str:
    """Return the SQL of how many bytes a row takes, as it is stored: compressed where PostgreSQL compresses it."""
    columns = (field.column for field in model._meta.concrete_fields if field.column)  # noqa: SLF001 -- as above
    parts = " + ".join(f"coalesce(pg_column_size({alias}.{column}), 0)" for column in columns)
    return f"({ROW_BYTES} + {parts})"


@lru_cache(maxsize=1)
def _everything() -> str:
    of_run = "SELECT '{0}', row_to_json(t)::text FROM {0} t WHERE run_id = %(run_id)s"
    of_this = "SELECT '{0}', row_to_json(t)::text FROM {0} t WHERE id = {1}"
    parts = [
        of_this.format("runs_run", "%(run_id)s"),
        of_this.format("runs_agent", "(SELECT agent_id FROM runs_run WHERE id = %(run_id)s)"),
        of_this.format("runs_agentversion", "(SELECT agent_version_id FROM runs_run WHERE id = %(run_id)s)"),
    ]
    parts += [of_run.format(table(model)) for model in MOVED]
    return " UNION ALL ".join(parts)


@lru_cache(maxsize=1)
def _fingerprints() -> str:
    one = "SELECT '{0}', count(*), max(xmin::text::bigint) FROM {0} WHERE run_id = %(run_id)s"
    return " UNION ALL ".join(one.format(table(model)) for model in MOVED)
