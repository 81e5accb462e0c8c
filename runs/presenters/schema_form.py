"""A form made from the JSON Schema of an agent's input, and the input made from what was posted.

The form is a help, the schema decides: what is posted goes through the same check as an API call, and the errors
come back to the fields by their pointers. What a form field cannot hold is written as JSON.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.utils.translation import gettext as _

from agentops.common.types import JsonObject
from runs.presenters import text

PREFIX = "in-"
WHOLE = "(input)"
MORE = "(more)"
_LONG_TEXT = 200


@dataclass(frozen=True, slots=True)
class Choice:
    value: str
    label: str
    is_chosen: bool


@dataclass(slots=True)
class Field:
    """One control. `kind`: text, long, integer, number, boolean, choice, lines or json."""

    name: str
    kind: str
    label: str
    hint: str = ""
    is_required: bool = False
    value: str = ""
    placeholder: str = ""
    choices: Sequence[Choice] = ()
    error: str = ""
    schema: Mapping[str, Any] = field(default_factory=dict)

    @property
    def html_name(self) -> str:
        return f"{PREFIX}{self.name}"

    @property
    def rows(self) -> int:
        return max(3, min(14, self.value.count("\n") + 2))

    @property
    def is_short(self) -> bool:
        return self.kind in ("integer", "number", "choice")

    @property
    def is_checked(self) -> bool:
        return self.value == "true"


def blank_form(schema: JsonObject, given: JsonObject | None = None, order: Sequence[str] = ()) -> list[Field]:
    """Return the fields, filled with `given` (an earlier input) or else with the schema's defaults.

    A stored schema has lost the order of its properties: `order` names them as the author wrote them. What it
    does not name comes behind, what is needed before the rest.
    """
    properties = _properties(schema)
    if not properties:
        return [_whole(given if given is not None else {})]
    given_or_none = given or {}
    fields = [
        _field(name, properties[name], schema, given_or_none) for name in _ordered(properties, schema, order)
    ]
    more = {name: value for name, value in given_or_none.items() if name not in properties}
    return fields + ([_more(more)] if more else [])


def filled_form(schema: JsonObject, posted: Mapping[str, Any], order: Sequence[str] = ()) -> list[Field]:
    """Return the fields as somebody filled them, for showing them again."""
    fields = blank_form(schema, order=order)
    if posted.get(f"{PREFIX}{MORE}", ""):
        fields.append(_more({}))
    for one in fields:
        one.value = _posted_value(one, posted)
        one.choices = [Choice(c.value, c.label, c.value == one.value) for c in one.choices]
    return fields


def document(fields: Sequence[Field]) -> JsonObject | None:
    """Return the input that the filled fields make; None when a field cannot be read, which then bears the error."""
    found: JsonObject = {}
    for one in fields:
        try:
            _take(one, found)
        except ValueError as error:
            one.error = str(error)
    return None if any(one.error for one in fields) else found


def place_errors(fields: Sequence[Field], errors: Sequence[Mapping[str, str]]) -> list[str]:
    """Put each schema error on the field its pointer leads to; return those that belong to no field."""
    by_name = {one.name: one for one in fields}
    homeless = []
    for error in errors:
        first, _slash, rest = error["pointer"].removeprefix("/").partition("/")
        name = first.replace("~1", "/").replace("~0", "~")
        home = by_name.get(name) or by_name.get(MORE if name else WHOLE) or by_name.get(WHOLE)
        message = text.visible(f"{rest}: {error['message']}" if rest else error["message"])
        if home is None:
            homeless.append(message)
        elif not home.error:
            home.error = message
    return homeless


def property_order(schema: JsonObject) -> list[str]:
    """Return the names of the properties as the schema lists them."""
    return list(_properties(schema))


def _ordered(properties: Mapping[str, Any], schema: JsonObject, order: Sequence[str]) -> list[str]:
    required = schema.get("required")
    needed = [str(name) for name in required] if isinstance(required, list) else []
    ranked = {name: rank for rank, name in enumerate(dict.fromkeys([*order, *needed]))}
    return sorted(properties, key=lambda name: ranked.get(name, len(ranked)))


def _properties(schema: JsonObject) -> dict[str, Any]:
    properties = schema.get("properties")
    return properties if isinstance(properties, dict) else {}


def _whole(given: Any) -> Field:
    return Field(WHOLE, "json", _("Input"), _("A JSON object."), is_required=True, value=_pretty(given))


def _more(given: Any) -> Field:
    return Field(
        MORE, "json", _("Anything else"), _("More of the input, as a JSON object."), value=_pretty(given)
    )


def _field(name: str, part: Any, schema: JsonObject, given: JsonObject) -> Field:
    part = part if isinstance(part, dict) else {}
    start = given[name] if name in given else part.get("default")
    kind = _kind_for(part, start)
    required = schema.get("required")
    examples = part.get("examples")
    made = Field(
        name=name, kind=kind, label=text.line(part.get("title") or _words(name), 100), hint=text.line(part.get("description", ""), 400),
        is_required=isinstance(required, list) and name in required, value=_shown(kind, start),
        placeholder=text.line(_shown(kind, examples[0]), 120) if isinstance(examples, list) and examples else "", schema=part,
    )  # fmt: skip
    if kind == "choice":
        made.value = json.dumps(start) if start is not None else ""
        made.choices = [
            Choice(json.dumps(v), text.line(v, 80), json.dumps(v) == made.value) for v in part["enum"]
        ]
    return made


def _kind_for(part: Mapping[str, Any], value: Any) -> str:
    """Return the kind of a control that can hold the value: browsers drop line breaks from a control of one line."""
    kind = _kind(part)
    is_long = isinstance(value, str) and ("\n" in value or "\r" in value or len(value) > _LONG_TEXT)
    return "long" if kind == "text" and is_long else kind


def _kind(part: Mapping[str, Any]) -> str:
    if isinstance(part.get("enum"), list):
        return "choice"
    types = part.get("type")
    known = [name for name in (types if isinstance(types, list) else [types]) if name != "null"]
    kind = known[0] if len(known) == 1 else None
    if kind == "string":
        return (
            "long" if part.get("maxLength", 0) > _LONG_TEXT or part.get("format") == "multiline" else "text"
        )
    if kind in ("integer", "number", "boolean"):
        return str(kind)
    items = part.get("items")
    if kind == "array" and isinstance(items, dict) and items.get("type") == "string" and "enum" not in items:
        return "lines"
    return "json"


def _shown(kind: str, value: Any) -> str:
    if value is None:
        return ""
    if kind == "boolean":
        return "true" if value is True else ""
    if kind == "lines" and isinstance(value, list):
        return "\n".join(map(str, value))
    return value if isinstance(value, str) and kind != "json" else _pretty(value)


def _posted_value(one: Field, posted: Mapping[str, Any]) -> str:
    value = str(posted.get(one.html_name, ""))
    return ("true" if value else "") if one.kind == "boolean" else value


def _take(one: Field, found: JsonObject) -> None:
    value = one.value if one.kind == "long" else one.value.strip()
    if one.kind == "boolean":
        found[one.name] = one.is_checked
    elif not value:
        if one.is_required:
            raise ValueError(_("This is needed."))
    elif one.name in (WHOLE, MORE):
        found |= _object(value)
    else:
        found[one.name] = _READ[one.kind](value)


def _whole_number(value: str) -> int:
    try:
        return int(value)
    except ValueError:
        raise ValueError(_("This must be a whole number.")) from None


def _any_number(value: str) -> float:
    try:
        return float(value.replace(",", "."))
    except ValueError:
        raise ValueError(_("This must be a number.")) from None


def _json(value: str) -> Any:
    try:
        return json.loads(value)
    except json.JSONDecodeError as error:
        told = _("This is not JSON: line %(line)d, column %(column)d: %(what)s.")
        raise ValueError(told % {"line": error.lineno, "column": error.colno, "what": error.msg}) from None
    except RecursionError:
        raise ValueError(_("This is nested too deeply.")) from None


def _object(value: str) -> JsonObject:
    found = _json(value)
    if not isinstance(found, dict):
        raise ValueError(_("This must be a JSON object, in braces."))  # noqa: TRY004 -- told at the field, as all of these
    return found


def _lines(value: str) -> list[str]:
    return [line.strip() for line in value.splitlines() if line.strip()]


_READ: dict[str, Callable[[str], Any]] = {
    "text": str, "long": str, "integer": _whole_number, "number": _any_number, "choice": _json, "lines": _lines, "json": _json,
}  # fmt: skip


def _pretty(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)


def _words(name: str) -> str:
    return name.replace("_", " ").replace("-", " ").capitalize()
