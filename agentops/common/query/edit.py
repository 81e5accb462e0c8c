"""Changing a query without touching the rest of it (pure): facets, the chart and the terms' crosses are links made so."""

from dataclasses import replace

from agentops.common.query.terms import And, Filter, Not, Term, Value


def parts_of(term: Term) -> list[Term]:
    """Return the terms that must all hold."""
    return list(term.terms) if isinstance(term, And) else [term]


def added(term: Term, more: Term) -> Term:
    """Return the query with one more term."""
    return And.of(term, more)


def without(term: Term, part: Term) -> Term:
    """Return the query without one of its terms."""
    return And.of(*(other for other in parts_of(term) if other is not part))


def without_key(term: Term, *keys: str) -> Term:
    """Return the query without what it asks of these keys, negated or not."""
    return And.of(*(part for part in parts_of(term) if _key_of(part) not in keys))


def values_of(term: Term, key: str) -> list[str]:
    """Return the values of the query's own filter on the key: any of them is enough."""
    found = _plain(term, key)
    return [value.text for value in found.values if isinstance(value, Value)] if found else []


def toggled(term: Term, key: str, value: str) -> Term:
    """Return the query with one more value for the key to have, or one less when it is among them."""
    found, asked = _plain(term, key), Value(value, is_quoted=_needs_quotes(value))
    if found is None:
        return added(term, Filter(key, (asked,)))
    kept = tuple(one for one in found.values if not (isinstance(one, Value) and one.text == value))
    values = kept if len(kept) < len(found.values) else (*found.values, asked)
    changed = [replace(found, values=values)] if values else []
    return And.of(*(change for part in parts_of(term) for change in (changed if part is found else [part])))


def _plain(term: Term, key: str) -> Filter | None:
    for part in parts_of(term):
        if isinstance(part, Filter) and part.key == key and not part.operator and not part.path:
            return part
    return None


def _key_of(part: Term) -> str:
    inner = part.term if isinstance(part, Not) else part
    return inner.key if isinstance(inner, Filter) else ""


def _needs_quotes(text: str) -> bool:
    """Return whether the text, as a word, would mean something else: a pattern, a time ago, nothing, me."""
    return "*" in text or text in ("none", "any") or text[:1] in "@-"
