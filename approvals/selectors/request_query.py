"""A search text → a condition on the requests of a team."""

from dataclasses import dataclass

from agentops.accounts.roles import Actor
from agentops.common.errors import BadQueryError
from agentops.common.query import And, Filter, Not, Or, Term, Value, parse
from approvals.engine.words import STATUSES
from approvals.search import SCOPE
from runs.search.compiler import compiled_inside, with_suggestion
from runs.search.sql import Condition
from runs.selectors.run_query import asker_of


@dataclass(frozen=True, slots=True)
class RequestQuery:
    """What a query asks for; `statuses` are those that it can find, None where it says nothing of them."""

    condition: Condition
    statuses: frozenset[str] | None = None


def request_query(actor: Actor, text: str) -> RequestQuery:
    """Return what the text asks for, in the words of `approval(…)` (docs/reference/query-language.md).

    Raises: BadQueryError with `position` and, where one can be made, `suggestion`.
    """
    if not text.strip():
        return RequestQuery(Condition())
    try:
        term = parse(text)
        found = compiled_inside(SCOPE, term, asker_of(actor))
    except BadQueryError as error:
        raise with_suggestion(error, text) from None
    if not _tells_status(term):
        return RequestQuery(found)
    statuses = found.hints.statuses
    return RequestQuery(found, frozenset(STATUSES) if statuses is None else statuses)


def _tells_status(term: Term) -> bool:
    """Return whether the query says itself if it asks for open requests or closed ones."""
    if isinstance(term, And | Or):
        return any(map(_tells_status, term.terms))
    if isinstance(term, Not):
        return _tells_status(term.term)
    if not isinstance(term, Filter):
        return False
    named = {value.text for value in term.values if isinstance(value, Value)}
    return term.key in ("status", "closed", "by") or (term.key == "is" and bool(named & {"open", "closed"}))
