"""The file of an archived run: two lines that a person can read, compressed rows, and a code over all of it.

`AGENTOPS-RUN 1`, a line of JSON that says what it is and how to read it, one zstd frame of JSON lines `["table", {row}]` of
which the last is `["end", {"rows": {table: n}}]`, and 32 bytes of HMAC-SHA256 under the installation's key.
"""

import hashlib
import io
import os
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import orjson
import zstandard

from agentops.common.errors import BrokenArchiveError
from agentops.common.types import JsonObject
from runs.checkpoints.chain import archive_code, same

MAGIC = b"AGENTOPS-RUN 1\n"
CODE_BYTES = 32
BLOCK_BYTES = 1 << 20
MAX_HEADER_BYTES = 64 << 10
MAX_LINE_BYTES = 256 << 20
SUFFIX = ".aorun"
_END = "end"


@dataclass(frozen=True, slots=True)
class Written:
    """A file that was written: its size, the SHA-256 of its bytes, and how many rows stand in it."""

    file_bytes: int
    sha256: bytes
    n_rows: int


def write(path: Path, header: JsonObject, rows: Iterable[tuple[str, str]]) -> Written:
    """Write the file of a run and bring it to the disk.

    Raises: OSError; what `rows` raises.
    """
    counts: Counter[str] = Counter()
    with path.open("xb") as raw:
        raw.write(MAGIC + orjson.dumps(header) + b"\n")
        with zstandard.ZstdCompressor(level=6).stream_writer(raw, closefd=False) as packed:
            for name, row in rows:
                packed.write(b'["%s",%s]\n' % (name.encode(), row.encode()))
                counts[name] += 1
            packed.write(orjson.dumps([_END, {"rows": dict(counts)}]) + b"\n")
        raw.flush()
        raw.write(_code(path, raw.tell()))
        raw.flush()
        os.fsync(raw.fileno())
    return Written(path.stat().st_size, sha256_of(path), counts.total())


def header_of(path: Path) -> JsonObject:
    """Return what the file says of itself, once its code was checked: it was written here, and is whole.

    Raises: BrokenArchiveError; OSError.
    """
    size = path.stat().st_size
    with path.open("rb") as raw:
        if raw.read(len(MAGIC)) != MAGIC:
            raise BrokenArchiveError("the file is no archive of a run, or one of another format")
        line = raw.readline(MAX_HEADER_BYTES)
        raw.seek(max(0, size - CODE_BYTES))
        if not same(raw.read(), _code(path, size - CODE_BYTES)):
            raise BrokenArchiveError(
                "the code of the archive does not fit: it was altered or cut, or written under another AGENTOPS_INTEGRITY_KEY"
            )
    header: JsonObject = orjson.loads(line)
    return header


def rows_in(path: Path) -> Iterator[tuple[str, bytes]]:
    """Yield table and JSON of each row of a file whose header was checked.

    Raises: BrokenArchiveError when it is not whole; OSError.
    """
    counts: Counter[str] = Counter()
    for name, row in _lines(path):
        if name == _END:
            if orjson.loads(row)["rows"] != counts:
                raise BrokenArchiveError("the archive does not hold the rows that it says it holds")
            return
        counts[name] += 1
        yield name, row
    raise BrokenArchiveError("the archive breaks off")


def sha256_of(path: Path) -> bytes:
    digest = hashlib.sha256()
    with path.open("rb") as raw:
        for block in _blocks(raw, path.stat().st_size):
            digest.update(block)
    return digest.digest()


def _lines(path: Path) -> Iterator[tuple[str, bytes]]:
    with path.open("rb") as raw:
        raw.readline()
        raw.readline(MAX_HEADER_BYTES)
        packed: Any = zstandard.ZstdDecompressor().stream_reader(raw, closefd=False)
        try:
            plain = io.BufferedReader(packed, BLOCK_BYTES)
            while line := plain.readline(MAX_LINE_BYTES):
                name, _, row = line.partition(b'",')
                yield name[2:].decode(), row[:-2]
        except zstandard.ZstdError as error:
            raise BrokenArchiveError(f"the archive is damaged: {error}") from error


def _code(path: Path, n_bytes: int) -> bytes:
    code = archive_code()
    with path.open("rb") as raw:
        for block in _blocks(raw, n_bytes):
            code.update(block)
    return code.digest()


def _blocks(raw: BinaryIO, n_bytes: int) -> Iterator[bytes]:
    left = n_bytes
    while left > 0 and (block := raw.read(min(BLOCK_BYTES, left))):
        left -= len(block)
        yield block
