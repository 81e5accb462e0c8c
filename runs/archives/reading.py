"""Reading a run in its archive: its steps, what a step was asked and answered, its log, its last state."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from agentops.common.errors import BrokenArchiveError
from runs.archives.files import rows_in
from runs.checkpoints.codec import Codec, decode
from runs.engine.frozen import freeze, thaw
from runs.engine.updates import apply_delta

Row = dict[str, Any]


@dataclass(slots=True)
class Archived:
    """What was read of a file: the run's own row, and the rows of the tables that were asked for, in their order."""

    run: Row
    rows: dict[str, list[Row]]
    path: Path
    _values: dict[str, Row] = field(default_factory=dict)

    def value(self, codec: int, body: str | None) -> Any:
        """Return a stored value, large ones too. Raises: BrokenArchiveError."""
        if body is None:
            return None
        data = _bytes(body)
        if codec == Codec.BLOB:
            row = self._value(body)
            codec, data = row["codec"], _bytes(row["body"])
        try:
            return decode(codec, data)
        except ValueError as error:
            raise BrokenArchiveError(f"a value in the archive cannot be read: {error}") from error

    def _value(self, digest: str) -> Row:
        if digest not in self._values:
            found = (orjson.loads(row) for name, row in rows_in(self.path) if name == "runs_blob")
            self._values |= {row["digest"]: row for row in found if row["digest"] == digest}
        if digest not in self._values:
            raise BrokenArchiveError("a large value is not in the archive")
        return self._values[digest]


def read(path: Path, *tables: str) -> Archived:
    """Read the run and the rows of these tables from a file whose header was checked.

    Raises: BrokenArchiveError
    """
    run: Row = {}
    rows: dict[str, list[Row]] = {name: [] for name in tables}
    for name, row in rows_in(path):
        if name in rows:
            rows[name].append(orjson.loads(row))
        elif name == "runs_run":
            run = orjson.loads(row)
    for found in rows.values():
        found.sort(key=lambda row: (row.get("seq", 0), row.get("n", 0), row.get("number", 0)))
    return Archived(run, rows, path)


def last_state(archived: Archived) -> Any:
    """Return the state at the run's head; `archived` holds its checkpoints and branches. Raises: BrokenArchiveError."""
    state = freeze(archived.value(archived.run["input_codec"], archived.run["input"]))
    rows = list(_of_lineage(archived))
    begin = max((row["seq"] for row in rows if row["kind"] == "s"), default=0)
    merged = max((row["seq"] for row in rows if row["kind"] == "g"), default=0)
    for row in rows:
        value = archived.value(row["codec"], row["body"]) if row["kind"] != "c" else None
        if row["kind"] == "s":
            state = freeze(value)
        elif row["seq"] > begin and (row["kind"] == "g" or (row["kind"] == "d" and row["seq"] > merged)):
            apply_delta(state, value or [])
    return thaw(state)


def _of_lineage(archived: Archived) -> Iterator[Row]:
    """Yield the checkpoints that the run's branch is made of, in their order."""
    branches = {row["number"]: row for row in archived.rows["runs_branch"]}
    number, upto = archived.run["branch"], archived.run["head_seq"]
    ends: dict[int, int] = {}
    while number:
        ends[number] = upto
        row = branches.get(number, {"parent_number": 0, "checkpoint_seq": 0})
        number, upto = row["parent_number"], min(upto, row["checkpoint_seq"])
    for row in archived.rows["runs_checkpoint"]:
        if row["seq"] <= ends.get(row["branch"], -1):
            yield row


def _bytes(text: str) -> bytes:
    return bytes.fromhex(text.removeprefix("\\x"))
