"""`code-audit` goes through real source files while workers are killed: no file is left out, none is counted twice."""

import sysconfig
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from django.db.models import Sum

from agentops.demo.code_tools import MAX_FILE_BYTES, MAX_FINDINGS_A_FILE
from agentops.demo.inspect_code import findings
from runs.checkpoints.verify import verify_run
from runs.models import Run, Step
from tests.crash.cluster import Cluster
from tests.crash.form import chance, form
from tests.runs import a_run, output

pytestmark = [pytest.mark.crash, pytest.mark.django_db(transaction=True)]

FOLDER = Path(sysconfig.get_paths()["stdlib"])
N_FILES = form(short=150, long=6000)
BATCH_FILES = form(short=10, long=50)
# A worker is killed whenever about so many more files are done: on a slow machine as often as on a fast one.
FILES_A_KILL = form(short=40, long=300)
PATIENCE_SECONDS = form(short=120.0, long=900.0)


def truth() -> dict[str, Any]:
    """Return what the audit must find, found here, file by file, without the product."""
    paths = sorted(str(path) for path in FOLDER.rglob("*.py") if path.is_file() and not path.is_symlink())[
        :N_FILES
    ]
    lines, rules = 0, Counter[str]()
    for path in paths:
        source = Path(path).read_bytes()
        if 0 < len(source) <= MAX_FILE_BYTES:
            lines += source.count(b"\n") + 1
            rules.update(found.rule for found in findings(source, path)[:MAX_FINDINGS_A_FILE])
    return {"files": len(paths), "lines": lines, "rules": dict(rules)}


def test_an_audit_of_real_files_survives_workers_killed_at_random() -> None:
    expected = truth()
    audit = a_run("code-audit", {"folder": str(FOLDER), "max_files": N_FILES, "batch_files": BATCH_FILES})
    victims, progress, n_killed = chance("code audit"), [0], 0
    with Cluster(workers=2, slots=4) as cluster:
        until, kill_at = time.monotonic() + PATIENCE_SECONDS, victims.uniform(0.5, 1.5) * FILES_A_KILL
        while is_open(audit) and time.monotonic() < until:
            progress.append(files_done(audit))
            if progress[-1] >= kill_at:
                cluster.kill(victims.randrange(2), with_beater=victims.random() < 0.3)
                n_killed += 1
                kill_at = progress[-1] + victims.uniform(0.5, 1.5) * FILES_A_KILL
            time.sleep(0.1)
    audit.refresh_from_db()
    assert audit.status == "succeeded"
    assert progress == sorted(progress), "what was done stays done"
    assert len(set(progress)) > 3, "progress shows while it goes on"
    counts = total_of(audit)
    assert {name: counts[name] for name in expected} == expected
    assert output(audit)["files"] == expected["files"]
    looked = Step.objects.filter(
        run__parent=audit, name="code.inspect", status="succeeded", is_superseded=False
    )
    assert looked.count() == expected["files"], "one outcome a file"
    children = Run.objects.filter(parent=audit)
    assert Counter(children.values_list("status", flat=True)) == {
        "succeeded": -(-expected["files"] // BATCH_FILES)
    }
    assert all(verify_run(run).is_clean for run in (audit, *children))
    assert n_killed > 1


def is_open(run: Run) -> bool:
    return Run.objects.filter(pk=run.pk, ended_at__isnull=True).exists()


def files_done(audit: Run) -> int:
    return Run.objects.filter(parent=audit).aggregate(done=Sum("progress_done"))["done"] or 0


def total_of(audit: Run) -> dict[str, Any]:
    """Return the sum of what the children put out."""
    lines, files, rules = 0, 0, Counter[str]()
    for child in Run.objects.filter(parent=audit):
        told = output(child)
        files, lines = files + told["files"], lines + told["lines"]
        rules.update(told["rules"])
    return {"files": files, "lines": lines, "rules": dict(rules)}
