"""The head of a run's page: title, chips and the six vitals."""

from dataclasses import dataclass

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from runs.engine.states import RunStatus
from runs.models import Attempt, Run
from runs.presenters import text, times
from runs.presenters.lanes import mode_chips
from runs.presenters.notes import Note, is_over, left_unknown, notes_of
from runs.presenters.run_list import Meter, meter_of, progress_note
from runs.presenters.status import Chip, health_chips, run_chip
from runs.presenters.verbs import ENDINGS, VERBS, Verb, verbs_of
from runs.presenters.waits import Wait, wait_of
from runs.selectors.system import SystemStatus


@dataclass(frozen=True, slots=True)
class Head:
    """What the head shows. `say` is the sentence that a screen reader hears when it changes.

    `verbs` may be used now, of which `endings` end the run; `dialogs` are those whose forms the page keeps ready.
    """

    title: str
    chip: Chip
    mode: list[Chip]
    health: list[Chip]
    node: str
    place: str
    wait: Wait
    meter: Meter | None
    progress_note: str
    spent: str
    spent_more: str
    age: str
    took: str
    trouble: str
    is_troubled: bool
    notes: list[Note]
    is_open: bool
    verbs: list[Verb]
    endings: list[Verb]
    dialogs: list[Verb]
    say: str


def head_of(run: Run, system: SystemStatus, last_try: Attempt | None, unknown_seq: int | None = None) -> Head:
    """Return the head of a run; `unknown_seq` is a write that was in flight when somebody ended it."""
    now = times.now_of(run)
    meter, chip = meter_of(run), run_chip(run)
    is_open, verbs = not is_over(run), verbs_of(run)
    return Head(
        title=text.line(run.title, 200), chip=chip, mode=mode_chips(run), health=health_chips(run), node=text.line(run.node, 80),
        place=_("step %(n)s") % {"n": text.number(run.node_seq)}, wait=wait_of(run), meter=meter,
        progress_note=progress_note(run) if is_open else "",
        spent=text.money(run.cost_microusd) if run.cost_microusd else _steps(run), spent_more=_steps(run) if run.cost_microusd else "",
        age=times.age(times.seconds_between(run.created_at, now)), took=_took(run), trouble=_trouble(run),
        is_troubled=bool(run.n_failed_steps or run.n_retries or run.status == RunStatus.FAILED),
        notes=notes_of(run, system, last_try) + ([left_unknown(unknown_seq)] if unknown_seq else []), is_open=is_open,
        verbs=[verb for verb in verbs if verb.name not in ENDINGS], endings=[verb for verb in verbs if verb.name in ENDINGS],
        dialogs=[VERBS[name] for name in ("pause", *ENDINGS)] if is_open else [],
        say=f"{chip.label}. {meter.words if meter and is_open else ''}".strip(),
    )  # fmt: skip


def _steps(run: Run) -> str:
    return ngettext("%(n)s step", "%(n)s steps", run.n_steps) % {"n": text.number(run.n_steps)}


def _took(run: Run) -> str:
    """Return how long the run has gone on, from its first claim to its end or now."""
    seconds = times.seconds_between(run.started_at, run.ended_at or times.now_of(run))
    if seconds is None:
        return _("not begun")
    shape = _("took %(time)s") if run.ended_at else _("%(time)s since it began")
    return shape % {"time": times.duration(seconds)}


def _trouble(run: Run) -> str:
    told = []
    if run.n_failed_steps:
        told.append(
            ngettext("%(n)s failed step", "%(n)s failed steps", run.n_failed_steps)
            % {"n": text.number(run.n_failed_steps)}
        )
    if run.n_retries:
        told.append(
            ngettext("%(n)s retry", "%(n)s retries", run.n_retries) % {"n": text.number(run.n_retries)}
        )
    return ", ".join(told) or _("none")
