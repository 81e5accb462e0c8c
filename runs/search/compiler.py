"""Terms → one condition on the run `r`."""

from dataclasses import dataclass, replace

from agentops.common.errors import BadQueryError
from agentops.common.query import And, Filter, Not, Or, Scope, Term, Value, refusal, render
from runs.search import contents, keys, steps, stuck  # noqa: F401 -- they make their keys known
from runs.search.kinds import chosen, plain
from runs.search.near import nearest
from runs.search.registry import KEYS, SCOPES, Asker, Key, ScopeKind
from runs.search.sql import Condition, all_of, any_of
from runs.search.texts import text_condition

NEWEST_FIRST = "-created"


@dataclass(frozen=True, slots=True)
class Search:
    """What a query asks for: a condition, and the key to sort by, with a minus for the largest first."""

    condition: Condition
    sort: str = NEWEST_FIRST


def compiled(term: Term, asker: Asker) -> Search:
    """Return what the terms ask for. Raises: BadQueryError."""
    parts = list(term.terms) if isinstance(term, And) else [term]
    sorts = [part for part in parts if isinstance(part, Filter) and part.key == "sort"]
    if len(sorts) > 1:
        raise refusal("a list is sorted by one key", sorts[1].at)
    rest = [part for part in parts if part not in sorts]
    condition = all_of([_condition(part, asker, KEYS) for part in rest])
    return Search(condition, _sort(sorts[0]) if sorts else NEWEST_FIRST)


def compiled_inside(scope: str, term: Term, asker: Asker) -> Condition:
    """Return what terms inside the brackets of a scope ask of its child. Raises: BadQueryError."""
    kind = SCOPES[scope]
    return _condition(term, asker, kind.keys, kind)


def _condition(term: Term, asker: Asker, known: dict[str, Key], scope: ScopeKind | None = None) -> Condition:
    if isinstance(term, And | Or):
        parts = [_condition(part, asker, known, scope) for part in term.terms]
        return all_of(parts) if isinstance(term, And) else any_of(parts)
    if isinstance(term, Not):
        return _condition(term.term, asker, known, scope).negated()
    if isinstance(term, Scope):
        return _scope(term, asker, known)
    if isinstance(term, Filter):
        return _filter(term, asker, known)
    if scope is not None:
        if scope.words is None:
            raise refusal("inside these brackets every word needs a key, such as name:…", term.at)
        return scope.words(term.value)
    return text_condition(term.value)


def _scope(term: Scope, asker: Asker, known: dict[str, Key]) -> Condition:
    if known is not KEYS:
        raise refusal("a scope cannot stand inside a scope", term.at)
    scope = SCOPES.get(term.name)
    if scope is None:
        raise _unknown(f"scope `{term.name[:40]}`", term.name, term.at, list(SCOPES))
    inner = _condition(term.inner, asker, scope.keys, scope)
    found = Condition(
        scope.around.format(inner.text), inner.params, is_costly=not scope.is_rare, is_alone=scope.is_rare
    )
    return found.as_rare() if scope.is_rare else found


def _filter(term: Filter, asker: Asker, known: dict[str, Key]) -> Condition:
    if term.key in ("has", "no") and known is KEYS:
        return all_of([_presence(term, value) for value in plain(term)])
    if term.key == "sort":
        raise refusal("`sort:` stands outside all brackets, and is not negated", term.at)
    key = known.get(term.key)
    if key is None:
        raise _unknown_key(term, known)
    if term.path and not key.has_parts:
        raise refusal(f"`{term.key}` has no parts; leave out what stands behind its dot", term.at)
    return key.build(term, asker)


def _presence(term: Filter, value: Value) -> Condition:
    choices = [key.name for key in KEYS.values() if key.has]
    key = KEYS[chosen(term, value, choices)]
    return Condition(key.has if term.key == "has" else f"NOT coalesce({key.has}, false)")


def _sort(term: Filter) -> str:
    choices = [key.name for key in KEYS.values() if key.sort]
    value = term.values[0]
    name = value.text if isinstance(value, Value) else ""
    if term.operator or len(term.values) > 1 or name.removeprefix("-") not in choices:
        near = nearest(name.removeprefix("-"), choices)
        told = f"runs are sorted by {', '.join(choices)}, with a minus for the largest first, not by {name[:40]!r} (character {value.at})"
        sign = "-" if name.startswith("-") else ""
        raise _instead(refusal(told, value.at), value.at, len(name), near and sign + near)
    return name


def _unknown_key(term: Filter, known: dict[str, Key]) -> BadQueryError:
    whole = [name for name, key in known.items() if not key.has_parts]
    names = [*whole, *(("has", "no", "sort") if known is KEYS else ())]
    error = _unknown(f"key `{term.key[:40]}`", term.key, term.at, names)
    if "instead" not in error.data:
        word = render(replace(term, path=term.path))
        error.data["instead"] = (term.at, term.end - term.at, f'"{word}"' if '"' not in word else "")
    return error


def _unknown(what: str, name: str, at: int, known: list[str]) -> BadQueryError:
    near = nearest(name, known)
    hint = f", did you mean `{near}`?" if near else f"; there are {', '.join(known)}"
    return _instead(refusal(f"unknown {what} (character {at}){hint}", at), at, len(name), near)


def _instead(error: BadQueryError, at: int, length: int, near: str) -> BadQueryError:
    if near:
        error.data["instead"] = (at, length, near)
    return error


def with_suggestion(error: BadQueryError, text: str) -> BadQueryError:
    """Return the error with the whole query as it was probably meant, where it knows what to put in whose place."""
    at, length, near = error.data.pop("instead", (0, 0, ""))
    if near and "suggestion" not in error.data:
        error.data["suggestion"] = text[:at] + near + text[at + length :]
    return error
