"""Rows of the run list."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from django.utils.translation import gettext
from django.utils.translation import gettext as _

from runs.engine.states import TERMINAL, RunStatus
from runs.models import Run
from runs.presenters import text, times
from runs.presenters.run_columns import Column, chosen_columns
from runs.presenters.status import Chip, health_chips, run_chip
from runs.presenters.waits import Wait, wait_of

S = RunStatus
_UNIT_CHARACTERS = 16


@dataclass(frozen=True, slots=True)
class Meter:
    """A bar from 0 to 100, with the words it stands for."""

    percent: float
    tone: str
    words: str


@dataclass(frozen=True, slots=True)
class Cell:
    """What stands in a column, where that is plain text."""

    column: Column
    text: str


@dataclass(frozen=True, slots=True)
class RunRow:
    run: Run
    chip: Chip
    health: list[Chip]
    title: str
    wait: Wait
    trouble: str
    meter: Meter | None
    spent: str
    age: str
    cells: list[Cell]


def run_row(run: Run, columns: Sequence[Column] = ()) -> RunRow:
    """Return a row with the columns, the usual ones for none; `run` bears `now_at` and `error_message`."""
    return RunRow(
        run=run,
        chip=run_chip(run),
        health=health_chips(run),
        title=text.line(run.title, 160),
        wait=wait_of(run),
        trouble=text.line(getattr(run, "error_message", None) or "", 140),
        meter=meter_of(run),
        spent=spent(run),
        age=times.age(times.seconds_between(run.created_at, times.now_of(run))),
        cells=[Cell(c, c.cell(run) if c.cell else "") for c in columns or chosen_columns([])],
    )


def meter_of(run: Run) -> Meter | None:
    """Return the progress that the agent reported; full for a run that succeeded, None when it said nothing."""
    done, total = run.progress_done, run.progress_total
    chip = run_chip(run)
    if run.status == S.SUCCEEDED and not total:
        return Meter(100, "good", gettext("Done"))
    if done is None or not total:
        return None
    percent = max(0.0, min(100.0, 100 * done / total))
    unit = unit_of(run)
    words = _("%(done)s of %(total)s") % {"done": f"{done:,}", "total": f"{total:,}"}
    return Meter(round(percent, 1), chip.tone, f"{words} {unit}".strip())


def unit_of(run: Run) -> str:
    """Return the note of the progress when it is one plain word: what is counted."""
    note = run.progress_note.strip()
    return note if note.isalpha() and len(note) <= _UNIT_CHARACTERS else ""


def progress_note(run: Run) -> str:
    """Return what the agent says about its progress; nothing when that is only the unit."""
    return "" if unit_of(run) else text.line(run.progress_note, 120)


def spent(run: Run) -> str:
    """Return what the run cost, or how many steps it took when it cost nothing."""
    return (
        text.money(run.cost_microusd) if run.cost_microusd else _("%(n)s steps") % {"n": f"{run.n_steps:,}"}
    )


def is_live(runs: list[Run]) -> bool:
    return any(RunStatus(run.status) not in TERMINAL for run in runs)


def ids(rows: list[RunRow]) -> list[UUID]:
    return [row.run.id for row in rows]
