"""Reading the audit of a team."""

from collections.abc import Iterator
from uuid import UUID
from zoneinfo import ZoneInfo

from django.db.models import Q, QuerySet
from django.utils import timezone

from agentops.accounts.roles import Actor, Scope
from agentops.audit.models import Entry
from agentops.audit.verify import Verdict, verify_chain
from agentops.common.errors import TooLargeError
from agentops.common.query import And, Filter, Term, Text, parse, refusal
from runs.search.kinds import bounds, plain
from runs.search.near import nearest
from runs.search.values import span_of
from runs.selectors.paging import DEFAULT_LIMIT, MAX_LIMIT, Page, decode_cursor, page_of
from runs.selectors.schedules import database_now

KEYS = ("actor", "action", "subject", "at")
MAX_CHECKED = 200_000


def entries_for(
    actor: Actor, *, query: str = "", cursor: str = "", limit: int = DEFAULT_LIMIT
) -> Page[Entry]:
    """Return a page of what was done in the team, newest first.

    `query` has the filters `actor:`, `action:`, `subject:` (an id, or a kind such as `run`) and `at:` (`-1d`, `yesterday`,
    `>2026-01-31`); `*` at the end of a value stands for anything. Days begin as in the current zone.

    Raises: NotAllowedError without the scope `admin`; BadQueryError with `position`.
    """
    found = _found(actor, query)
    if cursor:
        found = found.filter(id__lt=decode_cursor(cursor, UUID)[0])
    limit = max(1, min(limit, MAX_LIMIT))
    return page_of(list(found[: limit + 1]), limit, lambda entry: (entry.id,))


def all_entries_for(actor: Actor, *, query: str = "", batch: int = 500) -> Iterator[list[Entry]]:
    """Yield all that the query finds, newest first, in batches. Raises: see entries_for; at the first batch."""
    found, below = _found(actor, query), None
    while rows := list((found.filter(id__lt=below) if below else found)[:batch]):
        yield rows
        below = rows[-1].id


def audit_verdict_for(actor: Actor) -> Verdict:
    """Return what a check of the team's whole chain finds now.

    Raises: NotAllowedError without the scope `admin`; TooLargeError for a chain that takes too long for a page.
    """
    actor.require(Scope.ADMIN)
    if Entry.objects.filter(chain_id=actor.team_id)[MAX_CHECKED:].exists():
        raise TooLargeError(
            f"the audit has more than {MAX_CHECKED:,} entries; check it with `manage.py verify_audit`"
        )
    return verify_chain(actor.team_id)


def _found(actor: Actor, query: str) -> QuerySet[Entry]:
    actor.require(Scope.ADMIN)
    term = parse(query)
    condition = Q(chain_id=actor.team_id)
    for part in term.terms if isinstance(term, And) else (term,):
        condition &= _condition(part)
    return Entry.objects.filter(condition).order_by("-id")


def _condition(term: Term) -> Q:
    if isinstance(term, Text):
        return Q(subject_id__startswith=term.value.text) | Q(actor=term.value.text)
    if not isinstance(term, Filter):
        raise refusal("the audit takes filters side by side, without OR, NOT and brackets", 0)
    if term.key not in KEYS or term.path:
        near = nearest(term.key, KEYS)
        told = f"the audit has no key {term.key!r} (character {term.at}); there are {', '.join(KEYS)}"
        raise refusal(told, term.at, f"{near}:…" if near else None)
    if term.key == "at":
        return _time(term)
    condition = Q()
    for value in plain(term):
        condition |= _text(term.key, value.text, may_go_on="" if value.is_quoted else "*")
    return condition


def _text(key: str, text: str, *, may_go_on: str) -> Q:
    columns = {"actor": ["actor"], "action": ["action"], "subject": ["subject_id", "subject_kind"]}[key]
    is_beginning = bool(may_go_on) and text.endswith(may_go_on)
    condition = Q()
    for column in columns:
        condition |= Q(**{f"{column}__startswith": text[:-1]} if is_beginning else {column: text})
    kind, _, subject_id = text.partition(":")
    return condition | Q(subject_kind=kind, subject_id=subject_id) if key == "subject" else condition


def _time(asked: Filter) -> Q:
    condition, now, zone = Q(), database_now(), ZoneInfo(timezone.get_current_timezone_name())
    for value in asked.values:
        start, end = bounds(asked, span_of(value, now, zone))
        condition |= Q(**({"at__gte": start} if start else {}), **({"at__lt": end} if end else {}))
    return condition
