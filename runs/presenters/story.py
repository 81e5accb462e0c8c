"""A run told in plain words, in the order of time: what it did, what went wrong, what it waited for, what people did."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from runs.models import Branch, Run, Step
from runs.presenters import status, text, times
from runs.presenters.errors import error_words
from runs.presenters.notes import is_over
from runs.presenters.status import Words
from runs.presenters.waiting import WaitLine, wait_line
from runs.selectors.console.material import Material, exceptions
from runs.selectors.console.overview import Gap
from runs.selectors.console.story import Asides
from runs.selectors.console.tree import Segment, Trouble


@dataclass(frozen=True, slots=True)
class Beat:
    """One thing that happened: when, how it looks, what to say, and the step to see; None for none."""

    at: datetime
    tone: str
    icon: str
    headline: Words
    body: str = ""
    took: str = ""
    seq: int | None = None
    is_small: bool = False


def beats_of(
    run: Run, parts: Sequence[Material], asides: Asides, *, is_first: bool, is_last: bool
) -> list[Beat]:
    """Return the story of a stretch: its beginning if it is the first, its end if it is the last."""
    found = [beat for part in parts for segment in part.segments for beat in _segment_beats(part, segment)]
    told = {wait.seq for wait in asides.waits}
    found += [_wait_beat(wait_line(wait)) for wait in asides.waits]
    found += [_gap_beat(gap, asides.steps.get(gap.seq)) for gap in asides.gaps if gap.seq not in told]
    found += [_branch_beat(branch) for branch in asides.branches]
    found.sort(key=lambda beat: beat.at)
    return [*(_begin(run) if is_first else ()), *found, *(_end(run) if is_last else ())]


def _begin(run: Run) -> Iterator[Beat]:
    who = text.line(run.created_by, 60)
    headline = _("Started by %(who)s") % {"who": who} if who else _("Started")
    if run.forked_from_id:
        origin = {"id": text.short_id(run.forked_from_id), "n": text.number(run.forked_from_seq or 0)}
        headline = _("Forked from %(id)s at step %(n)s") % origin
    yield Beat(run.created_at, "idle", "play", headline, text.line(run.title, 200))


def _segment_beats(part: Material, segment: Segment) -> Iterator[Beat]:
    if segment.is_folded:
        yield _folded(part, segment)
        for seq in exceptions(segment, part.troubles, 0):
            yield from _troubles(part, seq)
        return
    for seq in segment.shown:
        if seq in part.steps:
            yield _node(part.steps[seq])
            yield from _troubles(part, seq)


def _node(step: Step) -> Beat:
    chip = status.step_chip(step.status)
    took = times.duration(times.seconds_between(step.started_at, step.ended_at))
    body = text.line(step.summary, 240)
    if step.attempts > 1:
        tried = ngettext("%(n)d attempt", "%(n)d attempts", step.attempts) % {"n": step.attempts}
        body = f"{body} ({tried})" if body else tried
    return Beat(step.started_at, chip.tone, "node", text.line(step.name, 80), body, took, step.seq)


def _folded(part: Material, segment: Segment) -> Beat:
    names = list(dict.fromkeys(segment.names))
    n = round(segment.n / len(names)) if len(names) > 1 else segment.n
    trouble = part.troubles.get(segment.first, Trouble(0, 0, []))
    n_failed, n_retried = segment.n_failed + trouble.n_failed, segment.n_retried + trouble.n_retried
    told = [ngettext("%(n)s time", "%(n)s times", n) % {"n": text.number(n)}]
    if n_failed:
        told.append(_("in %(n)s of them something failed") % {"n": text.number(n_failed)})
    if n_retried:
        told.append(_("%(n)s went well at a later try") % {"n": text.number(n_retried)})
    took = times.duration(times.seconds_between(segment.starts_at, segment.ends_at or part.now))
    headline = text.line(" → ".join(names), 80)
    return Beat(segment.starts_at, "good", "fold", headline, ", ".join(told), took, segment.first)


def _troubles(part: Material, node: int) -> Iterator[Beat]:
    """Yield the actions of a node that failed for good or stand open, the first few."""
    for inside in part.inside.get(node, ()):
        shown = inside.failed if inside.is_folded else inside.shown
        for seq in shown:
            step = part.steps.get(seq)
            if step is not None and step.status in ("failed", "unknown") and not step.is_superseded:
                chip = status.step_chip(step.status)
                headline = _("%(name)s: %(word)s") % {"name": text.line(step.name, 60), "word": chip.label}
                body = " · ".join(
                    filter(None, (text.line(step.summary, 160), text.line(step.error_code, 60)))
                )
                yield Beat(step.started_at, chip.tone, chip.icon, headline, body, "", step.seq, is_small=True)


def _wait_beat(line: WaitLine) -> Beat:
    """Return what was waited for, and what came of it."""
    headline = _("It waited for %(kind)s %(name)s") % {"kind": line.kind, "name": text.line(line.name, 60)}
    who = f" ({text.line(line.end_by, 60)})" if line.end_by else ""
    took = times.duration(times.seconds_between(line.since_at, line.closed_at))
    return Beat(line.since_at, "wait", line.icon, headline, f"{line.end}{who}", took, line.seq)


def _gap_beat(gap: Gap, step: Step | None) -> Beat:
    took = times.duration(gap.seconds)
    if step is not None:
        headline = _("It waited: %(name)s") % {"name": text.line(step.name, 60)}
        return Beat(gap.starts_at, "wait", "wait", headline, text.line(step.summary, 160), took, gap.seq)
    return Beat(gap.starts_at, "wait", "wait", _("Nothing ran"), "", took)


def _branch_beat(branch: Branch) -> Beat:
    where = {"n": text.number(branch.from_seq), "b": branch.number}
    if branch.cause == "heal":
        headline = _("It healed itself at step %(n)s: branch %(b)s") % where
        return Beat(branch.at, "need", "retry", headline, text.line(branch.reason, 300), "", branch.first_seq)
    who = text.line(branch.by, 60)
    headline = _("%(who)s went back to step %(n)s: branch %(b)s") % {**where, "who": who or _("Somebody")}
    return Beat(branch.at, "need", "retry", headline, text.line(branch.reason, 300), "", branch.first_seq)


def _end(run: Run) -> Iterator[Beat]:
    chip = status.run_chip(run)
    if not is_over(run):
        told = text.line((run.waiting_on or {}).get("text", "") or run.progress_note, 200)
        at = text.line(run.node, 80)
        yield Beat(times.now_of(run), chip.tone, chip.icon, f"{chip.label}: {at}", told, "", run.node_seq)
        return
    body = text.shorten(error_words(run.error).message, 400) if run.error else text.line(run.end_reason, 300)
    seq = (run.error or {}).get("seq")
    yield Beat(
        run.ended_at or times.now_of(run),
        chip.tone,
        chip.icon,
        chip.label,
        body,
        "",
        seq if isinstance(seq, int) else None,
    )
