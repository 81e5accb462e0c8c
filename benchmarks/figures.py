"""Figures: percentiles, and the JSON lines in which every contestant reports (standard library only)."""

import json
import math
import platform
import statistics
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Any

Figures = Mapping[str, tuple[float | None, str]]


def percentile(values: Sequence[float], percent: float) -> float:
    """Return the value that `percent` of the values do not exceed (nearest rank)."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(percent / 100 * len(ordered)) - 1)]


def milliseconds(seconds: Sequence[float]) -> dict[str, tuple[float, str]]:
    """Return median and 99th percentile of a step's latency."""
    return {
        "step_p50": (round(statistics.median(seconds) * 1e3, 3), "ms"),
        "step_p99": (round(percentile(seconds, 99) * 1e3, 3), "ms"),
    }


def versions(*packages: str) -> dict[str, str]:
    return {"python": platform.python_version()} | {name: version(name) for name in packages}


def emit(workload: str, variant: str, figures: Figures, packages: Mapping[str, str]) -> list[dict[str, Any]]:
    """Print one JSON line a figure, and return them; a figure that could not be had is null."""
    lines = [
        {"workload": workload, "variant": variant, "metric": metric, "value": value, "unit": unit, "versions": dict(packages)}
        for metric, (value, unit) in figures.items()
    ]  # fmt: skip
    for line in lines:
        print(json.dumps(line), flush=True)
    return lines
