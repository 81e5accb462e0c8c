"""The shapes of the API about files, made from what the selectors return, and files as answers."""

from difflib import unified_diff

from django.http import HttpResponse
from django.utils.http import content_disposition_header

from runs import schemas_files as schemas
from runs.selectors.files import FileAt, FileRow, FilesAt, text_of

MAX_COMPARED_BYTES = 256 << 10
MAX_COMPARED_LINES = 3000


def files(found: FilesAt) -> schemas.FilesOut:
    items = [_file(row) for row in found.rows]
    counts = {"n_files": found.n_files, "n_bytes": found.n_bytes}
    return schemas.FilesOut(seq=found.seq, since=found.since, items=items, **counts)


def file_diff(path: str, a: FileAt | None, b: FileAt | None) -> schemas.FileDiffOut:
    sides = [_file(side.row) if side else None for side in (a, b)]
    texts = [text_of(side.content) if side else "" for side in (a, b)]
    return schemas.FileDiffOut(path=path, a=sides[0], b=sides[1], diff=_diff(path, *texts))


def download(found: FileAt) -> HttpResponse:
    """Return the file as a download, whatever it holds: no browser shows it, or guesses what it is.

    Source: RFC 6266, RFC 8187 for the name; the X-Content-Type-Options and sandbox of OWASP's advice on file uploads.
    """
    name = found.row.path.rpartition("/")[2]
    headers = {
        "Content-Disposition": content_disposition_header(as_attachment=True, filename=name) or "attachment",
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "sandbox; default-src 'none'",
        "Cache-Control": "private, no-cache",
        "ETag": f'"{found.row.file.sha256}"',
    }
    return HttpResponse(found.content, content_type="application/octet-stream", headers=headers)


def _diff(path: str, old: str | None, new: str | None) -> str | None:
    if old is None or new is None or max(len(old), len(new)) > MAX_COMPARED_BYTES:
        return None
    before, after = old.splitlines(keepends=True), new.splitlines(keepends=True)
    if max(len(before), len(after)) > MAX_COMPARED_LINES:
        return None
    lines = unified_diff(before, after, f"a/{path}", f"b/{path}")
    return "".join(
        line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines
    )


def _file(row: FileRow) -> schemas.FileOut:
    file = row.file
    return schemas.FileOut(
        path=row.path, size_bytes=file.size_bytes, sha256=file.sha256, mode=file.mode, step_seq=row.seq,
        change=row.change.value if row.change else None,
    )  # fmt: skip
