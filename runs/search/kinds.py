"""The kinds of keys: how a filter on a column becomes a condition, whatever the column is called."""

from collections.abc import Callable, Sequence
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from agentops.common.query import Filter, Range, Value, refusal
from runs.search.near import nearest
from runs.search.registry import Asker, Build
from runs.search.sql import Condition, Hints, any_of
from runs.search.values import Span, number_of, seconds_of, span_of

COMPARISONS = (">", ">=", "<", "<=")
NOTHING, ANYTHING = "none", "any"
NO_ID, LAST_ID = "0" * 32, "f" * 32

Scalar = Decimal | float


def plain(asked: Filter) -> list[Value]:
    """Return the values of a key that compares nothing. Raises: BadQueryError for ranges and comparisons."""
    if asked.operator in (*COMPARISONS, "~"):
        raise refusal(f"`{asked.key}` cannot be compared with {asked.operator}; give its value", asked.at)
    values = [value for value in asked.values if isinstance(value, Value)]
    if len(values) < len(asked.values):
        raise refusal(f"`{asked.key}` has no ranges; give its value, or several with commas", asked.at)
    return values


def word(value: Value) -> str:
    """Return the value if it is one of the names with a meaning of their own, such as `none` or `@me`."""
    return "" if value.is_quoted else value.text


def pattern(value: Value) -> str:
    """Return the LIKE pattern of a word with `*`; empty when it has none."""
    if value.is_quoted or "*" not in value.text:
        return ""
    escaped = value.text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return escaped.replace("*", "%")


def choice(choices: Sequence[str], build: Callable[[list[str]], Condition]) -> Build:
    """Return the builder of a key with a closed list of values."""

    def condition(asked: Filter, _asker: Asker) -> Condition:
        return build([chosen(asked, value, choices) for value in plain(asked)])

    return condition


def chosen(asked: Filter, value: Value, choices: Sequence[str]) -> str:
    """Return the value, which is one of the choices. Raises: BadQueryError that names the nearest, or all."""
    if value.text in choices:
        return value.text
    near = nearest(value.text, choices)
    hint = f"did you mean `{near}`?" if near else f"it knows {', '.join(choices)}"
    error = refusal(f"`{asked.key}:` knows no {value.text[:40]!r} (character {value.at}); {hint}", value.at)
    error.data |= {"instead": (value.at, len(value.text), near)} if near else {}
    raise error


def texts(column: str, *, me: str = "") -> Build:
    """Return the builder of a key on a text column; `me` is the condition for `@me`, given the name twice."""

    def condition(asked: Filter, asker: Asker) -> Condition:
        return any_of([_text(column, value, asker, me) for value in plain(asked)])

    return condition


def _text(column: str, value: Value, asker: Asker, me: str) -> Condition:
    if word(value) in (NOTHING, ANYTHING):
        return Condition(f"coalesce({column}, '') {'=' if word(value) == NOTHING else '<>'} ''")
    if me and word(value) == "@me":
        return Condition(me, (asker.name, f"{asker.name} (token %"))
    like = pattern(value)
    return Condition(f"{column} {'LIKE' if like else '='} %s", (like or value.text,))


def numbers(expression: str, read: Callable[[Value], Scalar] = number_of) -> Build:
    """Return the builder of a key on a number; `read` makes it of what was written."""

    def condition(asked: Filter, _asker: Asker) -> Condition:
        return any_of([_number(expression, asked, value, read) for value in asked.values])

    return condition


def _number(
    expression: str, asked: Filter, value: Value | Range, read: Callable[[Value], Scalar]
) -> Condition:
    if asked.operator == "~":
        raise refusal(f"`{asked.key}` is a number; ~ is for texts", asked.at)
    if isinstance(value, Range):
        return Condition(f"{expression} BETWEEN %s AND %s", (read(value.low), read(value.high)))
    return Condition(f"{expression} {asked.operator or '='} %s", (read(value),))


def money(value: Value) -> Decimal:
    """Return microdollars of dollars."""
    return number_of(value) * 1_000_000


lengths = seconds_of


def times(
    column: str, hints: Callable[[datetime | None, datetime | None], Hints] | None = None, *, has: str = ""
) -> Build:
    """Return the builder of a key on an instant.

    `hints` says what bounds `[start, end)` of the column mean for the walk; where it is given and the column is the
    one the runs are ordered by, the index answers the whole condition. `has`: the condition of `any`.
    """

    def condition(asked: Filter, asker: Asker) -> Condition:
        return any_of([_time(column, asked, value, asker, hints, has) for value in asked.values])

    return condition


def _time(
    column: str, asked: Filter, value: Value | Range, asker: Asker,
    hints: Callable[[datetime | None, datetime | None], Hints] | None, has: str,
) -> Condition:  # fmt: skip
    if has and isinstance(value, Value) and word(value) in (NOTHING, ANYTHING):
        return Condition(has if word(value) == ANYTHING else f"NOT ({has})")
    since, until = bounds(asked, span_of(value, asker.now, asker.zone))
    parts = [(f"{column} >= %s", since), (f"{column} < %s", until)]
    told = [(text, at) for text, at in parts if at is not None]
    found = Condition(" AND ".join(text for text, _ in told), tuple(at for _, at in told))
    if hints is None:
        return found
    return Condition(found.text, found.params, hints(since, until), is_exact=column == "r.created_at")


def bounds(asked: Filter, span: Span) -> tuple[datetime | None, datetime | None]:
    """Return from when, and until before when, an instant meets the filter; None where it has no bound.

    A time ago without an operator means since then.
    """
    if asked.operator in (">", ">="):
        return (span.end if asked.operator == ">" else span.start), None
    if asked.operator in ("<", "<="):
        return None, (span.start if asked.operator == "<" else span.end)
    if asked.operator == "~":
        raise refusal(f"`{asked.key}` is a time; ~ is for texts", asked.at)
    return span.start, (None if span.is_ago else span.end)


def ids(column: str) -> Build:
    """Return the builder of a key on the id of a run, or its beginning."""

    def condition(asked: Filter, _asker: Asker) -> Condition:
        return any_of([_id(column, value) for value in plain(asked)])

    return condition


def _id(column: str, value: Value) -> Condition:
    if word(value) in (NOTHING, ANYTHING):
        return Condition(f"{column} IS {'NOT ' if word(value) == ANYTHING else ''}NULL")
    found = id_range(value.text)
    if found is None:
        told = f"{value.text[:40]!r} is not the beginning of an id (character {value.at}); it has 4 to 32 of 0-9 and a-f"
        raise refusal(told, value.at)
    return Condition(f"{column} BETWEEN %s AND %s", found).as_rare()


def id_range(text: str) -> tuple[UUID, UUID] | None:
    """Return the first and the last id that begins so; None when none can."""
    digits = text.replace("-", "").lower()
    if not 4 <= len(digits) <= 32 or set(digits) - set("0123456789abcdef"):
        return None
    return UUID(digits + NO_ID[len(digits) :]), UUID(digits + LAST_ID[len(digits) :])
