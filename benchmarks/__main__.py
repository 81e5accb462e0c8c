"""Run the benchmarks, the product and its peers in turns: `python -m benchmarks [w1 w2 w3 w4 w5 fair models …] [--repeat 3] [--save]`."""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.report import save, table
from benchmarks.servers import servers

ROOT = Path(__file__).resolve().parents[1]
PEERS = ROOT / "benchmarks" / "peers" / ".venv" / "bin" / "python"
PATIENCE_SECONDS = 600


class Contest(NamedTuple):
    """One contestant of a workload: its module and arguments; peers need an environment of their own."""

    workload: str
    module: str
    words: tuple[str, ...] = ()
    patience_seconds: float = PATIENCE_SECONDS

    @property
    def is_peer(self) -> bool:
        return self.module.startswith("peers.") and self.module != "peers.w2_bare"


CONTESTS = (
    Contest("w1", "w1"),
    Contest("w1", "peers.w1_langgraph", ("--variant", "saver")),
    Contest("w1", "peers.w1_langgraph", ("--variant", "delta")),
    *(
        Contest("w2", module, ("--n", n, *words))
        for n in ("100", "1000")
        for module, words in (("w2", ()), ("peers.w2_bare", ()), ("peers.w2_dbos", ("--variant", "tuned")))
    ),
    Contest("w2", "w2", ("--mode", "latency")),
    Contest("w2", "peers.w2_bare", ("--mode", "latency")),
    Contest("w2", "peers.w2_dbos", ("--mode", "latency", "--variant", "tuned")),
    Contest("w3", "w2", ("--mode", "kill")),
    Contest("w3", "peers.w2_bare", ("--mode", "kill", "--variant", "quick")),
    Contest("w3", "peers.w2_dbos", ("--mode", "kill", "--variant", "tuned", "--cap", "20")),
    Contest("w3", "peers.w2_dbos", ("--mode", "kill", "--variant", "tuned", "--restart")),
    Contest("w4", "w4"),
    Contest("w4", "peers.w4_celery"),
    Contest("events", "events"),
    *(Contest("w5", "w5", ("--variant", name)) for name in ("product", "request", "process", "restarted")),
    Contest("fair", "fair", ("--kind", "short")),
    Contest("fair", "fair", ("--kind", "slices")),
    *(Contest("models", "models", ("--mode", mode)) for mode in ("slots", "known", "learned")),
    Contest("retention", "retention"),
    Contest("desk", "desk"),
    Contest("memory", "memory", patience_seconds=7_200),  # a million items, and an index over their vectors
)


def main() -> None:
    workloads = sorted({contest.workload for contest in CONTESTS})
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("workloads", nargs="*", choices=[*workloads, []], help="all when none is named")
    parser.add_argument("--repeat", type=int, default=3, help="passes; the medians are shown")
    parser.add_argument("--save", action="store_true", help="write benchmarks/results/<date>.json and .md")
    parser.add_argument("--product-only", action="store_true", help="leave the peers out")
    given = parser.parse_args()
    wanted = [contest for contest in CONTESTS if contest.workload in (given.workloads or workloads)]
    wanted = [
        contest for contest in wanted if not (given.product_only and contest.module.startswith("peers."))
    ]
    if any(contest.is_peer for contest in wanted) and not PEERS.exists():
        parser.error(
            "the peers are not installed; run `make bench-peers` first, or leave them out by --product-only"
        )
    with servers() as environment:
        os.environ.update(environment)
        lines = [line for _ in range(given.repeat) for contest in wanted for line in figures(contest)]
    sys.stdout.write(table(lines))
    if given.save:
        save(lines)


def figures(contest: Contest) -> Iterator[dict[str, Any]]:
    """Yield what one run of a contestant says, and print it as it comes; one that fails is left out, with a word."""
    python = PEERS if contest.is_peer else Path(sys.executable)
    command = [str(python), "-m", f"benchmarks.{contest.module}", *contest.words]
    busy = round(os.getloadavg()[0], 1)
    done = subprocess.run(
        command, stdout=subprocess.PIPE, text=True, timeout=contest.patience_seconds, check=False,
        cwd=ROOT,
    )  # fmt: skip
    if done.returncode:
        sys.stderr.write(f"{' '.join(command[1:])} failed\n")
        return
    for line in done.stdout.splitlines():
        sys.stderr.write(f"{line}\n")
        yield json.loads(line) | {"load_before": busy}


if __name__ == "__main__":
    main()
