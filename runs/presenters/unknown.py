"""A write that a person is asked about, in plain words, and the form with which they answer.

Either nobody knows whether it happened, or it must not be made before somebody allows it.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from agentops.common.errors import AgentOpsError
from agentops.common.types import JsonValue
from runs.models import Intent, Run
from runs.presenters import text
from runs.presenters.inspector import Value, value_of
from runs.presenters.status import Words
from runs.selectors.console.unknown import UnknownStep

Outcome = Literal["ran", "did_not_run", "run_again", "allow", "refuse"]
_CHOICES: tuple[tuple[Outcome, Words, Words], ...] = (
    ("ran", gettext_lazy("It ran"), gettext_lazy("The agent goes on with the output that you give here.")),
    ("did_not_run", gettext_lazy("It did not run"), gettext_lazy("The call counts as failed, with the code did_not_run; the agent decides what then.")),
    ("run_again", gettext_lazy("Run it again"), gettext_lazy("It is called once more under the same key. If it did happen, it happens twice.")),
)  # fmt: skip
_PERMISSIONS: tuple[tuple[Outcome, Words, Words], ...] = (
    ("allow", gettext_lazy("Yes, call it"), gettext_lazy("The write is made.")),
    ("refuse", gettext_lazy("No"), gettext_lazy("The call counts as failed, with the code refused; the agent decides what then.")),
    ("ran", gettext_lazy("Use another output"), gettext_lazy("Nothing is called; the agent goes on with the output that you give here.")),
)  # fmt: skip
_OUTCOMES = {value for value, _label, _hint in (*_CHOICES, *_PERMISSIONS)}


@dataclass(frozen=True, slots=True)
class Choice:
    value: str
    label: Words
    hint: Words
    is_chosen: bool


@dataclass(slots=True)
class ResolveForm:
    """The form as somebody filled it, with what does not fit at each field (`outcome`, `output`, `reason`)."""

    version: int
    outcome: str = ""
    output: str = ""
    reason: str = ""
    errors: dict[str, list[str]] = field(default_factory=dict)
    is_asked: bool = False

    @property
    def choices(self) -> list[Choice]:
        offered = _PERMISSIONS if self.is_asked else _CHOICES
        return [Choice(value, label, hint, value == self.outcome) for value, label, hint in offered]

    def answer(self) -> dict[str, Any] | None:
        """Return the arguments for resolve_step; None when a field cannot be read, which then bears the error."""
        self.errors = {}
        output: JsonValue = None
        if self.outcome not in _OUTCOMES:
            self.errors["outcome"] = [_("Choose one.")]
        if not self.reason:
            self.errors["reason"] = [_("Say how you know.")]
        if self.outcome == "ran" and self.output:
            output = self._read()
        more = {"outcome": self.outcome, "reason": self.reason, "version": self.version, "output": output}
        return None if self.errors else more

    def refuse(self, error: AgentOpsError) -> None:
        """Put what the tool's output schema says at the output."""
        found: Sequence[Mapping[str, str]] = error.data.get("errors", ())
        if any(one["pointer"] == "/outcome" for one in found):
            self.errors["outcome"] = [text.line(error.detail, 300)]
            return
        told = [text.line(f"{one['pointer']}: {one['message']}".removeprefix(": "), 300) for one in found]
        self.errors["output"] = told or [text.line(error.detail, 300)]

    def _read(self) -> JsonValue:
        try:
            value: JsonValue = json.loads(self.output)
        except json.JSONDecodeError as error:
            told = _("This is not JSON: line %(line)d, column %(column)d: %(what)s.")
            self.errors["output"] = [told % {"line": error.lineno, "column": error.colno, "what": error.msg}]
        except RecursionError:
            self.errors["output"] = [_("This is nested too deeply.")]
        else:
            return value
        return None


@dataclass(frozen=True, slots=True)
class Unknown:
    """What is known of the call, and the form.

    `trouble` is the error that it met, `evidence` what a worker reported that had lost the run meanwhile; either may
    be empty. `worker` is empty when the one that called is gone and forgotten. `is_asked`: it was not called yet, and
    `why` says why it must be allowed.
    """

    seq: int
    tool: str
    headline: str
    key: str
    calls: int
    called_at: datetime | None
    worker: str
    worker_more: str
    args: Value | None
    args_line: str
    evidence: str
    evidence_at: datetime | None
    trouble: str
    schema: str
    form: ResolveForm
    is_asked: bool = False
    why: str = ""


def unknown_words(run: Run, found: UnknownStep, form: ResolveForm | None = None) -> Unknown:
    """Return the words; `form` as it was filled, else a blank one, which the late evidence fills where there is some."""
    step, intent, evidence = found.detail.step, found.detail.intent, _evidence(found.detail.intent)
    tool = text.line(step.name, 100)
    is_caller = (
        intent is None or intent.epoch == step.epoch
    )  # otherwise the row names the worker that found it out
    worker = found.worker if is_caller else None
    last = found.detail.attempts[-1] if found.detail.attempts else None
    is_asked = step.status == "asked"
    headline = _("May %(tool)s be called?") if is_asked else _("Nobody knows whether %(tool)s happened.")
    form = form or _blank(run, evidence)
    form.is_asked = is_asked
    return Unknown(
        seq=step.seq, tool=tool, headline=headline % {"tool": tool}, is_asked=is_asked,
        why=text.line((run.waiting_on or {}).get("text", "").partition("? ")[2], 300) if is_asked else "",
        key=text.line(intent.idempotency_key, 100) if intent else "", calls=intent.calls if intent else 1,
        called_at=intent.created_at if intent else step.started_at,
        worker=_worker_words(found) if is_caller else "",
        worker_more=text.line(worker.dead_reason, 120) if worker and worker.dead_at else "", args=_args(found), args_line=_args_line(found),
        evidence=_evidence_words(evidence), evidence_at=intent.evidence_at if intent else None,
        trouble=text.line(last.message, 300) if last else "",
        schema=json.dumps(found.output_schema, indent=2) if found.output_schema else "", form=form,
    )  # fmt: skip


def _worker_words(found: UnknownStep) -> str:
    known = found.worker or text.short_id(found.detail.step.worker_id or "")
    return text.line(known, 80)


def _blank(run: Run, evidence: Mapping[str, Any]) -> ResolveForm:
    """Return the form, with what a late worker reported as the answer that is only to be confirmed."""
    if evidence.get("status") != "succeeded":
        return ResolveForm(run.epoch)
    output = json.dumps(evidence.get("output"), indent=2, ensure_ascii=False)
    return ResolveForm(run.epoch, outcome="ran", output=output)


def _args(found: UnknownStep) -> Value | None:
    asked = found.detail.request
    return value_of(f"request:{found.detail.step.seq}", _arguments(asked.value)) if asked else None


def _args_line(found: UnknownStep) -> str:
    asked = found.detail.request
    return text.line(json.dumps(_arguments(asked.value), ensure_ascii=False), 240) if asked else ""


def _arguments(request: Any) -> Any:
    return request.get("args", request) if isinstance(request, dict) else request


def _evidence(intent: Intent | None) -> Mapping[str, Any]:
    """Return what a worker that had lost the run reported: `status`, `output`, `error`; empty when none did."""
    told = intent.evidence if intent else None
    return told if isinstance(told, dict) and "status" in told else {}


def _evidence_words(evidence: Mapping[str, Any]) -> str:
    if not evidence:
        return ""
    if evidence["status"] == "succeeded":
        return _("The worker that had lost the run reported late that it succeeded.")
    error = evidence.get("error")
    told = error.get("message", "") if isinstance(error, dict) else error
    return _("The worker that had lost the run reported late that it failed: %(error)s") % {
        "error": text.line(told or "", 300)
    }
