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
_BUSY = "Processes that wanted to run before each measurement (the system's load of one minute): {} in the median."


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
    """Write the figures, with the day and the kind of machine; of the same day, other workloads' are kept."""
    date = datetime.datetime.now(datetime.UTC).date().isoformat()
    path = (RESULTS / date).with_suffix(".json")
    RESULTS.mkdir(exist_ok=True)
    old = json.loads(path.read_text()) if path.exists() else {"versions": {}, "figures": []}
    measured = {line["workload"] for line in lines}
    kept = [line for line in old["figures"] if line["workload"] not in measured]
    kept += [{key: value for key, value in line.items() if key != "versions"} for line in lines]
    versions = old["versions"] | {line["variant"]: line["versions"] for line in lines}
    document = {"date": date, "machine": machine(), "versions": versions, "figures": kept}
    path.write_text(json.dumps(document, indent=1) + "\n")
    busy = statistics.median(line["load_before"] for line in kept)
    path.with_suffix(".md").write_text(f"# {date}, {machine()}\n\n{_BUSY.format(busy)}\n\n{table(kept)}")


def machine() -> str:
    """Return the class of this machine in words that name nobody's."""
    memory_bytes = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return f"{os.cpu_count()} cores, {round(memory_bytes / 2**30)} GB"
