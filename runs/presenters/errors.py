"""Errors in words: what happened, and what can be done."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from runs.presenters import text
from runs.presenters.status import Words

_HINTS: dict[str, Words] = {
    "nondeterminism": gettext_lazy("The agent's code changed under the run. Start again to run the new code."),
    "update_invalid": gettext_lazy("The node's update does not fit the state. Mend the pointer in the agent's code."),
    "command_invalid": gettext_lazy("The node returned what the engine cannot follow. Mend the agent's code."),
    "program_invalid": gettext_lazy("The agent's code is not what this server knows. Check that it is installed."),
    "too_many_actions": gettext_lazy("Split the work of this node over several nodes."),
    "too_large": gettext_lazy("Keep large data outside and pass a reference to it."),
    "invalid_arguments": gettext_lazy("The node called a tool with arguments that do not fit. Mend the agent's code."),
    "poison": gettext_lazy("Its code ends the process that runs it. Mend the agent's code, then retry it."),
    "premise_failed": gettext_lazy("What a person went by has changed, so nothing was done. Retry it to ask again."),
    "premise_unavailable": gettext_lazy("Nobody could look at what the permission goes by, so nothing was done. Retry it when that answers again."),
    "given_up": gettext_lazy("A person was asked and gave up. Retry it to try once more."),
    "invalid_output": gettext_lazy("A tool returned what does not fit its schema. Mend the tool, then retry it."),
    "output_schema": gettext_lazy("What the run would put out does not fit its schema. Mend the agent's code."),
    "did_not_run": gettext_lazy("A person found out that the write did not happen, and the agent had no way on."),
    "gave_up": gettext_lazy("The agent itself decided to give up."),
}  # fmt: skip
_DEFAULT = gettext_lazy("Once the cause is mended, retry it: it goes on at this node.")


@dataclass(frozen=True, slots=True)
class ErrorWords:
    message: str
    code: str
    hint: Words
    detail: str


def error_words(error: Mapping[str, Any], hint: Words = "") -> ErrorWords:
    """Return an error document (`code`, `message`, `detail`) for people; `hint` when the code has none."""
    code = text.line(error.get("code", ""), 60)
    message = text.shorten(text.visible(error.get("message") or _("It gave no message.")), 1000)
    return ErrorWords(
        message,
        code,
        _HINTS.get(code, hint or _DEFAULT),
        text.shorten(text.visible(error.get("detail", "")), 20_000),
    )
