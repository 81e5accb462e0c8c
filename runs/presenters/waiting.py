"""What a run waits for, asks and hears, in plain words; and the forms with which people answer it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from agentops.common.errors import AgentOpsError
from runs.models import Wait
from runs.presenters import text
from runs.presenters.premises import PremiseLine, premise_lines
from runs.presenters.status import Words

_KINDS: dict[str, tuple[str, Words]] = {
    "event": ("moving", gettext_lazy("an event")),
    "signal": ("handoff", gettext_lazy("a message to this run")),
    "child": ("fold", gettext_lazy("the end of a run")),
    "children": ("fold", gettext_lazy("the end of its children")),
    "person": ("approval", gettext_lazy("a person")),
}
_ENDS: dict[str, Words] = {
    "event": gettext_lazy("the event came"),
    "signal": gettext_lazy("the message came"),
    "child": gettext_lazy("the run ended"),
    "children": gettext_lazy("they have ended"),
    "person": gettext_lazy("answered"),
    "timeout": gettext_lazy("its time was over"),
    "cancelled": gettext_lazy("cancelled"),
    "dropped": gettext_lazy("no longer needed"),
}


@dataclass(frozen=True, slots=True)
class WaitLine:
    """One wait. `end` says how it ended; empty while it is open."""

    seq: int
    icon: str
    kind: Words
    name: str
    about: str
    match: str
    child_id: UUID | None
    since_at: datetime
    timeout_at: datetime
    is_all: bool
    end: str
    end_by: str
    closed_at: datetime | None


@dataclass(slots=True)
class Answering:
    """The form in which a person answers, as somebody filled it, with what does not fit at each field."""

    seq: int
    is_question: bool
    summary: str
    name: str
    args_text: str = ""
    schema: str = ""
    choices: list[str] = field(default_factory=list)
    premises: list[PremiseLine] = field(default_factory=list)
    typed: Mapping[str, str] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)

    @property
    def is_asked_again(self) -> bool:
        return any(premise.is_changed for premise in self.premises)

    @property
    def reply(self) -> dict[str, Any] | None:
        """Return the arguments for answer_wait; None when a field cannot be read, which then bears the error."""
        self.errors = {}
        chosen = self.typed.get("type", "")
        given: dict[str, Any] = {"reply": chosen, "message": self.typed.get("message", "").strip()}
        if chosen == "edit":
            given["args"] = self._json("args", self.typed.get("args", ""))
        if chosen == "respond":
            answer = self.typed.get("answer", "").strip()
            given["answer"] = self._json("answer", answer) if self.schema else answer
        if chosen not in ("approve", "edit", "reject", "respond"):
            self.errors["type"] = _("Say what you decide.")
        return None if self.errors else given

    def refuse(self, error: AgentOpsError) -> None:
        """Put what does not fit at its field."""
        found = error.data.get("errors", ())
        told = "; ".join(f"{one['pointer']}: {one['message']}" for one in found) or error.detail
        self.errors["answer" if self.is_question else "args"] = text.line(told, 300)

    def _json(self, name: str, typed: str) -> Any:
        try:
            return json.loads(typed)
        except json.JSONDecodeError as error:
            told = _("This is not JSON: line %(line)d, column %(column)d: %(what)s.")
            self.errors[name] = told % {"line": error.lineno, "column": error.colno, "what": error.msg}
        except RecursionError:
            self.errors[name] = _("This is nested too deeply.")
        return None


def wait_line(wait: Wait) -> WaitLine:
    """Return one wait in words."""
    icon, kind = _KINDS.get(wait.kind, ("wait", gettext_lazy("something")))
    end = str(_ENDS.get(wait.closed_as, wait.closed_as)) if wait.closed_as else ""
    return WaitLine(
        seq=wait.seq, icon=icon, kind=kind, name=text.line(wait.name, 200), about=text.line(wait.key, 200),
        match="" if wait.match is None else text.line(json.dumps(wait.match, ensure_ascii=False), 300), child_id=wait.child_id, since_at=wait.since_at,
        timeout_at=wait.timeout_at, is_all=wait.is_all, end=end, end_by=text.line(wait.closed_by, 120), closed_at=wait.closed_at,
    )  # fmt: skip


def answering_of(wait: Wait, typed: Mapping[str, str] | None = None) -> Answering:
    """Return the form for the answer to an open question."""
    asked: dict[str, Any] = wait.details or {}
    args, schema = asked.get("args"), asked.get("schema")
    return Answering(
        seq=wait.seq, is_question=asked.get("type") == "ask", summary=text.line(asked.get("summary", ""), 2000),
        name=text.line(wait.name, 200), args_text=json.dumps(args, indent=2, ensure_ascii=False) if args is not None else "",
        schema=json.dumps(schema, indent=2, ensure_ascii=False) if schema else "",
        choices=[str(choice) for choice in asked.get("choices") or ()], premises=premise_lines(asked.get("premises") or ()),
        typed=typed or {},
    )  # fmt: skip
