"""`code-audit`: look through thousands of source files, one child run a batch, and write down what stands out.

The parent lists the files, hands them out in batches (`ctx.map_children`), sleeps until all children have ended, and reads
their findings together. Kill workers at any time: batches that were done stay done, and the others go on.
"""

import sysconfig
from collections import Counter
from typing import Any

from runs.program import ActionFailedError, Call, Context, Fail, Finish, Goto, Program, node

FILES_A_ROUND = 10
WORST = 30


class CodeAudit(Program):
    name = "code-audit"
    version = "1"
    title = "Code audit"
    description = (
        "Looks through the Python files below a folder, one child run a batch, and reports what stands out."
    )
    input_schema = {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "folder": {
                "title": "Folder", "description": "Left out: the libraries of this server's Python.", "type": "string",
            },
            "max_files": {"title": "Files", "type": "integer", "minimum": 1, "maximum": 100_000, "default": 5000},
            "batch_files": {"title": "Files a batch", "type": "integer", "minimum": 1, "maximum": 500, "default": 50},
            "concurrency": {
                "title": "Batches at once", "type": "integer", "minimum": 1, "maximum": 1000, "default": 8,
            },
        },
    }  # fmt: skip

    def title_of(self, state: Any) -> str:
        return f"Code audit of {state.get('folder') or 'the libraries of Python'}"

    @node(start=True)
    def plan(self, ctx: Context, state: Any) -> Goto | Fail:
        """List the files."""
        folder = state.get("folder") or sysconfig.get_paths()["stdlib"]
        try:
            files = ctx.tool("code.list", folder=folder, limit=state.get("max_files", 5000))
        except ActionFailedError as error:
            return Fail(str(error), code=error.error_code)
        if not files:
            return Fail(f"there are no Python files below {folder}", code="nothing_to_do")
        return Goto("hand_out", set={"folder": folder, "files": files}, note=f"{len(files):,} files")

    @node
    def hand_out(self, ctx: Context, state: Any) -> Goto:
        """Give each batch to a child run, and wait for all of them."""
        files, size = state["files"], state.get("batch_files", 50)
        batches = [{"files": files[start : start + size]} for start in range(0, len(files), size)]
        ended = ctx.map_children(
            "code-audit-batch", batches, concurrency=state.get("concurrency", 8), on_failure="collect",
            batch_id=f"code-audit-{ctx.run_id}", title="Batch",
        )  # fmt: skip
        failed = [one["run_id"] for one in ended if one["status"] != "succeeded"]
        counts = total(one["output"] for one in ended if one["output"])
        return Goto(
            "report", set={"counts": counts, "failed": failed}, remove=["files"],
            note=f"{len(ended) - len(failed)} of {len(ended)} batches",
        )  # fmt: skip

    @node
    def report(self, ctx: Context, state: Any) -> Finish:
        """Write the report."""
        counts = state["counts"]
        return Finish(
            output={
                "report": markdown(state),
                "files": counts["files"],
                "findings": sum(counts["rules"].values()),
            },
            note=f"{counts['files']:,} files, {counts['lines']:,} lines",
        )


class CodeAuditBatch(Program):
    name = "code-audit-batch"
    version = "1"
    title = "Code audit, one batch"
    description = "Looks through some Python files; started by code-audit."
    input_schema = {
        "type": "object", "required": ["files"],
        "properties": {"files": {"title": "Files", "type": "array", "items": {"type": "string"}, "minItems": 1, "maxItems": 500}},
    }  # fmt: skip

    def title_of(self, state: Any) -> str:
        return f"{len(state['files'])} files from {state['files'][0].rpartition('/')[2]}"

    @node(start=True)
    def read(self, ctx: Context, state: Any) -> Goto | Finish:
        """Look into the next files, side by side; one that cannot be read is noted and passed over."""
        done, files = state.get("done", 0), state["files"]
        now = files[done : done + FILES_A_ROUND]
        looked = ctx.gather(
            *(Call("code.inspect", path=path) for path in now), max_parallel=4, return_errors=True
        )
        read = [one for one in looked if not isinstance(one, ActionFailedError)]
        ctx.progress(done + len(now), len(files), "files")
        counts = total([state["counts"]] if "counts" in state else [], *[read])
        if done + len(now) >= len(files):
            return Finish(output=counts, note=f"{counts['files']} files")
        return Goto(
            "read", set={"done": done + len(now), "counts": counts}, note=f"{done + len(now)} of {len(files)}"
        )


def total(parts: Any, looked: Any = ()) -> dict[str, Any]:
    """Return the sums of earlier sums and of files just looked into, with the worst files first."""
    files, lines, rules, worst = 0, 0, Counter[str](), []
    for part in parts:
        files, lines = files + part["files"], lines + part["lines"]
        rules.update(part["rules"])
        worst += [dict(one) for one in part["worst"]]
    for one in looked:
        files, lines = files + 1, lines + one["lines"]
        rules.update(found["rule"] for found in one["findings"])
        first = [dict(found) for found in one["findings"][:3]]
        worst += [{"path": one["path"], "n_findings": one["n_findings"], "first": first}] if first else []
    worst.sort(key=lambda one: (-one["n_findings"], one["path"]))
    return {"files": files, "lines": lines, "rules": dict(sorted(rules.items())), "worst": worst[:WORST]}


def markdown(state: Any) -> str:
    """Return the report as people read it."""
    counts = state["counts"]
    told = [
        f"# Code audit of {state['folder']}",
        "",
        f"{counts['files']:,} files, {counts['lines']:,} lines.",
        "",
        "| rule | places |",
        "|---|---|",
    ]
    told += [
        f"| {rule} | {count:,} |" for rule, count in sorted(counts["rules"].items(), key=lambda it: -it[1])
    ]
    told += ["", "## The files with most", ""]
    for one in counts["worst"]:
        told.append(f"- `{one['path'].removeprefix(state['folder']).lstrip('/')}`: {one['n_findings']}")
        told += [f"  - line {found['line']}: {found['message']}" for found in one["first"]]
    if state["failed"]:
        told += ["", f"{len(state['failed'])} batches failed: {', '.join(state['failed'][:20])}"]
    return "\n".join(told) + "\n"
