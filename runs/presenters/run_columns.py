"""Columns of the run list: which there are, which a person chose, and what stands in each."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext_lazy as _

from runs.models import Run
from runs.presenters import text, times
from runs.presenters.status import Words


@dataclass(frozen=True, slots=True)
class Column:
    """A column; `cell` gives its text, and the columns without one have a shape of their own in the template."""

    name: str
    label: Words
    css: str = ""
    cell: Callable[[Run], str] | None = None


def _moment(name: str) -> Callable[[Run], str]:
    def cell(run: Run) -> str:
        at = getattr(run, name)
        return date_format(timezone.localtime(at), "M j, H:i:s") if at else "–"

    return cell


def _duration(run: Run) -> str:
    return times.duration(times.seconds_between(run.started_at, run.ended_at or times.now_of(run)))


COLUMNS: dict[str, Column] = {
    column.name: column
    for column in (
        Column("status", _("Status"), "c-status"),
        Column("run", _("Run")),
        Column("at", _("At"), "c-at hide-s"),
        Column("waits", _("Waits for"), "c-waits"),
        Column("progress", _("Progress"), "c-progress hide-s"),
        Column("spent", _("Spent"), "r c-cost hide-s"),
        Column("age", _("Age"), "r c-age"),
        Column("version", _("Version"), "c-small hide-s", lambda run: f"v{run.agent_version.number}"),
        Column("tags", _("Tags"), "c-tags hide-s", lambda run: text.line(", ".join(run.tags), 80)),
        Column("created", _("Created"), "c-moment hide-s", _moment("created_at")),
        Column("started", _("Started"), "c-moment hide-s", _moment("started_at")),
        Column("ended", _("Ended"), "c-moment hide-s", _moment("ended_at")),
        Column("duration", _("Duration"), "r c-cost hide-s", _duration),
        Column("cost", _("Cost"), "r c-cost hide-s", lambda run: text.money(run.cost_microusd)),
        Column("steps", _("Steps"), "r c-age hide-s", lambda run: text.number(run.n_steps)),
        Column("retries", _("Retries"), "r c-age hide-s", lambda run: text.number(run.n_retries)),
        Column(
            "tokens", _("Tokens"), "r c-cost hide-s", lambda run: text.number(run.tokens_in + run.tokens_out)
        ),
        Column("queue", _("Queue"), "c-at hide-s", lambda run: text.line(run.queue, 40)),
        Column("batch", _("Batch"), "c-at hide-s", lambda run: text.line(run.batch_id, 40)),
        Column("user", _("Started by"), "c-at hide-s", lambda run: text.line(run.created_by, 40)),
        Column("id", _("Id"), "c-id hide-s", lambda run: str(run.id)),
    )
}
USUAL = ("status", "run", "at", "waits", "progress", "spent", "age")
ALWAYS = "run"


def chosen_columns(names: Sequence[str]) -> list[Column]:
    """Return the columns of these names in the list's own order, always with the run; the usual ones for none."""
    known = {name for name in names if name in COLUMNS} or set(USUAL)
    return [column for name, column in COLUMNS.items() if name in known | {ALWAYS}]
