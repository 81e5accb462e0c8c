"""A run to take away: one JSON line a step, or Markdown that a person or a model reads from top to bottom."""

import json
import re
from collections.abc import Iterator
from typing import Any

from django.utils.translation import gettext as _

from runs.models import Run
from runs.presenters import text, times, wire
from runs.selectors.steps import StepDetail

SHOWN_CHARACTERS = 1200
_TICKS = re.compile("`{3,}")


def run_line(run: Run) -> str:
    """Return the first line of an export: the run itself."""
    return wire.run_detail(run).model_dump_json() + "\n"


def step_line(detail: StepDetail) -> str:
    return wire.step_detail(detail).model_dump_json() + "\n"


def run_markdown(run: Run) -> str:
    """Return the head of a run in Markdown."""
    facts = [
        (_("status"), run.status), (_("agent"), f"{run.agent.slug} v{run.agent_version.number}"), (_("id"), str(run.pk)),
        (_("steps"), text.number(run.n_steps)), (_("failed steps"), text.number(run.n_failed_steps)),
        (_("cost"), text.money(run.cost_microusd)), (_("started"), run.created_at.isoformat()),
        (_("ended"), run.ended_at.isoformat() if run.ended_at else "–"),
    ]  # fmt: skip
    told = "".join(f"- {label}: {_line(value)}\n" for label, value in facts)
    error = _fenced(run.error) if run.error else ""
    return f"# {_line(run.title)}\n\n{told}\n{error}"


def step_markdown(detail: StepDetail) -> str:
    """Return a step in Markdown: a heading for a node, a paragraph for an action; long values are cut."""
    step = detail.step
    took = times.duration(times.seconds_between(step.started_at, step.ended_at))
    head = f"{step.seq} {_line(step.name)} — {step.status}, {took}"
    parts = [f"## {head}\n" if step.kind == "node" else f"### {head}\n"]
    if step.summary:
        parts.append(f"\n{_line(step.summary)}\n")
    parts += [
        f"\n- {_('failed attempt')} {tried.number}: {_line(tried.message)}\n" for tried in detail.attempts
    ]
    parts += [f"\n{label}\n\n{_fenced(value)}" for label, value in _values(detail)]
    parts += [f"\n- {_line(line.level)}: {_line(line.message)}\n" for line in detail.log_lines]
    return "".join(parts) + "\n"


def _values(detail: StepDetail) -> Iterator[tuple[str, Any]]:
    if detail.request is not None:
        asked = detail.request.value
        yield _("Input"), asked.get("args", asked) if isinstance(asked, dict) else asked
    if detail.error:
        yield _("Error"), detail.error
    elif detail.output is not None and detail.is_verified:
        yield _("Output"), detail.output.value
    if detail.delta:
        yield _("Changes of the state"), detail.delta


def _fenced(value: Any) -> str:
    """Return JSON in a fence that nothing in it can close."""
    written = text.visible(
        value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=1)
    )
    longest = max((len(found) for found in _TICKS.findall(written)), default=2)
    fence = "`" * (longest + 1)
    cut = written[:SHOWN_CHARACTERS]
    left = len(written) - len(cut)
    more = "\n" + _("(%(n)s more characters)") % {"n": text.number(left)} + "\n" if left else ""
    return f"{fence}json\n{cut}\n{fence}\n{more}"


def _line(value: object) -> str:
    """Return text on one line in which Markdown and HTML mean nothing."""
    return re.sub(r"([\\`*_{}\[\]<>()#!|])", r"\\\1", text.line(value, 400))
