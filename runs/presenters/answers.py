"""What came of a request to a model: who answered, what, for how much, and who was passed over."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from runs.presenters import text
from runs.selectors.steps import StepDetail

MAX_CHARACTERS = 600
MAX_CALLS = 8


@dataclass(frozen=True, slots=True)
class ModelAnswer:
    """`asked_for` is empty where that model answered by its own name; `passed` says of each other one why it did not."""

    model: str
    asked_for: str
    said: str
    calls: str
    tokens: str
    cost: str
    passed: Sequence[str]


def model_answer(detail: StepDetail) -> ModelAnswer | None:
    """Return what a model answered in this step, if one did."""
    told = detail.output.value if detail.output is not None and detail.is_verified else None
    if detail.step.kind != "llm" or not isinstance(told, dict) or not told.get("answered"):
        return None
    step, model = detail.step, str(told["answered"])
    asked_for = str(told.get("requested") or "")
    return ModelAnswer(
        model=text.line(model, 120),
        asked_for="" if model.startswith(asked_for) else text.line(asked_for, 120),
        said=text.line(str(told.get("text") or ""), MAX_CHARACTERS),
        calls=_calls(told.get("calls")),
        tokens=_tokens(told.get("usage") or {}),
        cost=_("price not known") if (told.get("usage") or {}).get("cost_microusd") is None else text.money(step.cost_microusd),
        passed=[text.line(str(one), 300) for one in told.get("decisions") or ()],
    )  # fmt: skip


def _calls(told: Any) -> str:
    names = [text.line(str(call.get("tool", "")), 60) for call in told or () if isinstance(call, dict)]
    more = len(names) - MAX_CALLS
    return ", ".join(names[:MAX_CALLS]) + (" " + _("and %(n)d more") % {"n": more} if more > 0 else "")


def _tokens(usage: Mapping[str, Any]) -> str:
    words = _("%(n_in)s read, %(n_out)s written") % {
        "n_in": text.number(usage.get("tokens_in") or 0), "n_out": text.number(usage.get("tokens_out") or 0),
    }  # fmt: skip
    cached = usage.get("tokens_cached") or 0
    return words + (
        " " + _("(%(n)s of those read were cached)") % {"n": text.number(cached)} if cached else ""
    )
