"""Premises in plain words: what a person goes by, and what has changed."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext_lazy

from runs.presenters import text
from runs.presenters.status import Words

MAX_VALUE_CHARACTERS = 300

_KINDS: dict[str, Words] = {
    "http_etag": gettext_lazy("what stands at an address (ETag)"),
    "json_path_equals": gettext_lazy("a value of a JSON document"),
    "file_sha256": gettext_lazy("the content of a file (SHA-256)"),
    "sql_row_hash": gettext_lazy("a row of a database (SHA-256)"),
    "budget_remaining": gettext_lazy("enough is left of the budget"),
    "python": gettext_lazy("what a function of the agent returns"),
}


@dataclass(frozen=True, slots=True)
class PremiseLine:
    """One premise: its value, and where it has changed, the one before; `params` say where it was looked at."""

    name: str
    kind: Words
    value: str
    before: str
    is_changed: bool
    params: str


def premise_lines(premises: Iterable[Any]) -> list[PremiseLine]:
    """Return the premises of a question, or of an action, in words."""
    return [_line(it) for it in premises if isinstance(it, dict)]


def _line(it: dict[str, Any]) -> PremiseLine:
    before, value = (it["value"], it["found"]) if "found" in it else (it.get("before"), it.get("value"))
    is_changed = ("found" in it or "before" in it) and before != value
    params = ", ".join(str(param) for param in (it.get("params") or {}).values())
    return PremiseLine(
        name=text.line(it.get("name", ""), 200), kind=_KINDS.get(str(it.get("kind")), text.line(it.get("kind", ""), 40)),
        value=_told(value), before=_told(before) if is_changed else "", is_changed=is_changed, params=text.line(params, 300),
    )  # fmt: skip


def _told(value: Any) -> str:
    return text.line(json.dumps(value, ensure_ascii=False), MAX_VALUE_CHARACTERS)
