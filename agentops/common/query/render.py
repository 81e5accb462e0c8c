"""Terms → canonical text: what parse() reads as the same terms."""

from agentops.common.query.terms import And, Filter, Not, Or, Range, Scope, Term, Value
from agentops.common.query.words import is_name, is_plain_text, is_plain_value, quote


def render(term: Term) -> str:
    """Return the query in its canonical form: a minus for not, commas for any of, brackets only where needed."""
    if isinstance(term, And | Or):
        return term.joint.join(_inside(part, term) for part in term.terms)
    if isinstance(term, Not):
        return f"-{_inside(term.term, term)}"
    if isinstance(term, Scope):
        return f"{term.name}({render(term.inner)})"
    if isinstance(term, Filter):
        return _filter(term)
    return (
        term.value.text
        if not term.value.is_quoted and is_plain_text(term.value.text)
        else quote(term.value.text)
    )


def _inside(part: Term, around: Term) -> str:
    is_looser = isinstance(part, Or) or (isinstance(part, And) and isinstance(around, Not))
    return f"({render(part)})" if is_looser else render(part)


def _filter(term: Filter) -> str:
    path = "".join(f".{part if is_name(part) else quote(part)}" for part in term.path)
    return f"{term.key}{path}:{term.operator}{','.join(map(_value, term.values))}"


def _value(value: Value | Range) -> str:
    if isinstance(value, Range):
        return f"{_value(value.low)}..{_value(value.high)}"
    return value.text if not value.is_quoted and is_plain_value(value.text) else quote(value.text)
