"""The drawer beside the list: a run in a few lines."""

from dataclasses import dataclass

from django.utils.translation import gettext as _

from runs.models import Run
from runs.presenters import text, times
from runs.presenters.run_list import RunRow, progress_note, run_row
from runs.presenters.verbs import Verb, verbs_of


@dataclass(frozen=True, slots=True)
class Peek:
    """A run's row, what else is worth knowing of it as pairs of words, and what can be done to it."""

    row: RunRow
    facts: list[tuple[str, str]]
    error: str
    verbs: list[Verb]


def peek_of(run: Run) -> Peek:
    """Return the drawer of a run; it bears `now_at` and `error_message`."""
    length = times.seconds_between(run.started_at, run.ended_at or times.now_of(run))
    facts = [
        (_("Agent"), f"{text.line(run.agent.slug, 80)} v{run.agent_version.number}"),
        (_("At"), text.line(run.node, 80)),
        (_("Progress"), progress_note(run)),
        (_("Duration"), times.duration(length) if run.started_at else ""),
        (_("Steps"), text.number(run.n_steps)),
        (_("Retries"), text.number(run.n_retries) if run.n_retries else ""),
        (_("Cost"), text.money(run.cost_microusd) if run.cost_microusd else ""),
        (_("Tags"), text.line(", ".join(run.tags), 200)),
        (_("Batch"), text.line(run.batch_id, 100)),
        (_("Started by"), text.line(run.created_by, 100)),
        (_("Id"), str(run.id)),
    ]
    error = text.shorten(text.visible(getattr(run, "error_message", None) or ""), 600)
    return Peek(run_row(run), [(name, value) for name, value in facts if value], error, verbs_of(run))
