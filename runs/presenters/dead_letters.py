"""Failed runs in words: what they have in common, and the evidence of each."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from runs.models import Run
from runs.presenters import text
from runs.presenters.errors import error_words
from runs.presenters.status import Words
from runs.selectors.console.dead_letters import DeadLetters, Fingerprint

COUNT_SHOWN = 99


@dataclass(frozen=True, slots=True)
class DeadRun:
    """One failed run: what it said, where, and what was tried. `seq` is the step where it failed."""

    run: Run
    title: str
    message: str
    detail: str
    seq: int | None
    node: str
    evidence: list[str]


@dataclass(frozen=True, slots=True)
class DeadGroup:
    """Failed runs of one kind. `query` names the kind in an address."""

    fingerprint: Fingerprint
    code: str
    node: str
    agent: str
    hint: Words
    n_runs: int
    last_at: datetime
    runs: list[DeadRun]
    n_more: int
    query: str


def dead_group(found: DeadLetters) -> DeadGroup:
    runs = [dead_run(run) for run in found.newest]
    kind = found.fingerprint
    return DeadGroup(
        fingerprint=kind, code=text.line(kind.code, 60) or _("no code"), node=text.line(kind.node, 80),
        agent=text.line(kind.agent, 80), hint=error_words(found.newest[0].error or {}).hint, n_runs=found.n_runs,
        last_at=found.last_at, runs=runs, n_more=max(0, found.n_runs - len(runs)), query=query_of(kind),
    )  # fmt: skip


def query_of(kind: Fingerprint) -> str:
    return urlencode(kind._asdict())


def dead_run(run: Run) -> DeadRun:
    """Return the words; `run` bears `error` and `now_at`."""
    error: dict[str, Any] = run.error or {}
    seq = error.get("seq")
    return DeadRun(
        run=run, title=text.line(run.title, 120), message=text.line(error_words(error).message, 300),
        detail=text.line(error.get("detail", ""), 160) if error.get("code") == "poison" else "",
        seq=seq if isinstance(seq, int) else None, node=text.line(error.get("node") or run.node, 80),
        evidence=_evidence(run),
    )  # fmt: skip


def count_words(n: int) -> str:
    return f"{COUNT_SHOWN}+" if n > COUNT_SHOWN else str(n)


def _evidence(run: Run) -> list[str]:
    """Return what was tried and lost, one short sentence each."""
    told = [ngettext("%(n)d attempt", "%(n)d attempts", run.node_attempt) % {"n": run.node_attempt}]
    if run.lost_alone:
        told.append(_("lost %(n)d × alone") % {"n": run.lost_alone})
    if run.lost_together:
        told.append(_("lost %(n)d × with others") % {"n": run.lost_together})
    return told
