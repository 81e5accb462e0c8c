"""Results: medians over the passes as a Markdown table, and everything as JSON in benchmarks/results."""

import datetime
import json
import os
import statistics
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).with_name("results")
Line = dict[str, Any]


def table(lines: Iterable[Line]) -> str:
    """Return the medians, one row for each figure of a contestant, and the range that they come from."""
    found: dict[tuple[str, str, str, str], list[float | None]] = defaultdict(list)
    for line in lines:
        found[line["workload"], line["metric"], line["variant"], line["unit"]].append(line["value"])
    rows = [
        "| workload | figure | contestant | median | lowest to highest | passes |",
        "|---|---|---|--:|--:|--:|",
    ]
    for (workload, metric, variant, unit), values in sorted(found.items(), key=lambda item: item[0][:2]):
        known = [value for value in values if value is not None]
        middle = f"{statistics.median(known):,} {unit}" if len(known) == len(values) else "never"
        spread = f"{min(known):,} to {max(known):,}" if known else ""
        rows.append(f"| {workload} | {metric} | {variant} | {middle} | {spread} | {len(values)} |")
    return "\n".join(rows) + "\n"


def save(lines: list[Line]) -> None:
    """Write the figures of today, with what kind of machine they come from."""
    about = {"date": datetime.datetime.now(datetime.UTC).date().isoformat(), "machine": machine()}
    versions = {line["variant"]: line["versions"] for line in lines}
    kept = [{key: value for key, value in line.items() if key != "versions"} for line in lines]
    path = RESULTS / about["date"]
    RESULTS.mkdir(exist_ok=True)
    document = json.dumps(about | {"versions": versions, "figures": kept}, indent=1)
    path.with_suffix(".json").write_text(document + "\n")
    path.with_suffix(".md").write_text(f"# {about['date']}, {about['machine']}\n\n{table(lines)}")


def machine() -> str:
    """Return the class of this machine in words that name nobody's."""
    memory_bytes = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return f"{os.cpu_count()} cores, {round(memory_bytes / 1e9)} GB"
