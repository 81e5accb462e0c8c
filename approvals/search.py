"""The words of the desk's search, which are those of `approval(…)` for runs: with one request of which everything inside holds."""

from collections.abc import Callable

from django.utils.translation import gettext_lazy as _

from agentops.common.query import Filter, Value
from approvals.engine.words import KINDS, STATUSES
from runs.search import kinds
from runs.search.registry import Asker, Build, Key, ScopeKind, register_scope
from runs.search.sql import Condition, Hints, any_of
from runs.search.texts import phrase_of, words_in

SCOPE = "approval"
EFFECTS = ("read", "compute", "write", "destructive")
OPEN = frozenset({"pending"})
CLOSED = frozenset(STATUSES) - OPEN

_R = "approvals_request"
# The expression of the index request_words, character for character.
_WORDS = f"({words_in(f'{_R}.summary')} || {words_in(f'{_R}.run_title')})"
_HELD = f"{_R}.claimed_until > statement_timestamp()"
_LATE = f"{_R}.decision_due_at < statement_timestamp()"
_QUEUE = f"{_R}.queue_id IN (SELECT q.id FROM approvals_queue q WHERE q.team_id = %s AND ({{}}))"  # noqa: S608 -- put together from constants
_VOTED = f"EXISTS (SELECT 1 FROM approvals_decision d WHERE d.request_id = {_R}.id AND d.void_reason = '' AND ({{}}))"  # noqa: S608 -- put together from constants
# `@me` comes as the name of the actor, and once more with how the names of their tokens begin.
_ME = "({0} = %s OR {0} LIKE %s)"
_MY_NAME = "(u.username = %s OR u.username = split_part(%s, ' (token ', 1))"
_FLAGS = {
    "open": Condition(f"{_R}.status = 'pending'", hints=Hints(statuses=OPEN)),
    "closed": Condition(f"{_R}.status <> 'pending'", hints=Hints(statuses=CLOSED)),
    "overdue": Condition(f"{_R}.status = 'pending' AND {_LATE}", hints=Hints(statuses=OPEN)),
    "claimed": Condition(f"{_R}.status = 'pending' AND {_HELD}", hints=Hints(statuses=OPEN)),
    "escalated": Condition(f"{_R}.escalation_level > 0"),
    "edited": Condition(f"{_R}.args IS DISTINCT FROM {_R}.proposed_args"),
}


def _is_one_of(column: str, choices: tuple[str, ...]) -> Build:
    return kinds.choice(choices, lambda names: Condition(f"{_R}.{column} = ANY(%s)", (names,)))


def _statuses(names: list[str]) -> Condition:
    return Condition(f"{_R}.status = ANY(%s)", (names,), Hints(statuses=frozenset(names)))


def _flags(names: list[str]) -> Condition:
    return any_of([_FLAGS[name] for name in names])


def _or_nothing(column: str, has: str, named: Callable[[Filter, Asker], Condition]) -> Build:
    """Return the builder of a key on another table's row, which may be missing: `none` and `any` ask for that."""

    def condition(asked: Filter, asker: Asker) -> Condition:
        return any_of([_one(Filter(asked.key, (value,), at=asked.at), asker) for value in kinds.plain(asked)])

    def _one(asked: Filter, asker: Asker) -> Condition:
        word = kinds.word(kinds.plain(asked)[0])
        if word in (kinds.NOTHING, kinds.ANYTHING):
            return Condition(f"coalesce({has}, false) IS {'TRUE' if word == kinds.ANYTHING else 'FALSE'}")
        found = named(asked, asker)
        return Condition(column.format(found.text), found.params)

    return condition


def _queues(asked: Filter, asker: Asker) -> Condition:
    found = kinds.texts("q.slug")(asked, asker)
    return Condition(found.text, (asker.team_id, *found.params))


def _person(column: str, has: str) -> Build:
    within = f"{has} AND {_R}.{column} IN (SELECT u.id FROM accounts_user u WHERE {{}})"  # noqa: S608 -- put together from constants
    return _or_nothing(within, has, kinds.texts("u.username", me=_MY_NAME))


def _by(asked: Filter, asker: Asker) -> Condition:
    closed, voted = (
        kinds.texts(column, me=_ME.format(column))(asked, asker) for column in (f"{_R}.closed_by", "d.actor")
    )
    return Condition(f"({closed.text}) OR {_VOTED.format(voted.text)}", (*closed.params, *voted.params))


def _words(value: Value) -> Condition:
    found = [Condition(f"{_WORDS} @@ to_tsquery('simple', %s)", (phrase_of(value),))]
    if same_id := kinds.id_range(value.text):
        found += [Condition(f"{_R}.{column} BETWEEN %s AND %s", same_id) for column in ("id", "run_id")]
    return any_of(found)


def _ended(_since: object, _until: object) -> Hints:
    return Hints(statuses=CLOSED)


_KEYS = (
    Key("status", _("Where the request stands"), "status:rejected,expired", kinds.choice(STATUSES, _statuses), STATUSES),
    Key("is", _("A flag: open, closed, overdue, claimed, escalated, edited"), "is:overdue", kinds.choice(tuple(_FLAGS), _flags), tuple(_FLAGS)),
    Key("kind", _("What is asked: approve or permission (may it), ask (a question), unknown (did it happen)"), "kind:ask", _is_one_of("kind", KINDS), KINDS),
    Key("tool", _("The tool, or the name of what is asked"), "tool:payment.*", kinds.texts(f"{_R}.action")),
    Key("effect", _("What the tool does to the world"), "effect:destructive", _is_one_of("effect", EFFECTS), EFFECTS),
    Key("risk", _("0 changes nothing, 1 writes, 2 destroys"), "risk:>=2", kinds.numbers(f"{_R}.risk")),
    Key("agent", _("Slug of the agent"), "agent:price-watch", kinds.texts(f"{_R}.agent")),
    Key("queue", _("Slug of the queue it came to; none for the whole team"), "queue:payments", _or_nothing(_QUEUE, f"{_R}.queue_id IS NOT NULL", _queues)),
    Key("run", _("Id of its run, or how it begins"), "run:019f2a", kinds.ids(f"{_R}.run_id")),
    Key("user", _("Who started the run; @me is you"), "user:@me", _person("initiator_id", f"{_R}.initiator_id IS NOT NULL")),
    Key("holder", _("Who has claimed it; none for nobody"), "holder:@me", _person("claimed_by_id", f"({_R}.status = 'pending' AND {_HELD})")),
    Key("by", _("Who decided about it"), "by:@me", _by),
    Key("rule", _("Name of the rule that asks"), "rule:Payments", kinds.texts(f"({_R}.rule->>'name')")),
    Key("signature", _("What requests of one sort have in common"), "signature:4f2a*", kinds.texts(f"{_R}.signature")),
    Key("opened", _("When it was asked"), "opened:-1d", kinds.times(f"{_R}.opened_at")),
    Key("due", _("When it must be decided"), "due:now..today", kinds.times(f"{_R}.decision_due_at", has=f"{_R}.decision_due_at IS NOT NULL")),
    Key("closed", _("When it was closed"), "closed:yesterday", kinds.times(f"{_R}.closed_at", _ended)),
)  # fmt: skip
APPROVAL = register_scope(
    ScopeKind(
        SCOPE, _("One and the same request for approval"), "approval(is:overdue tool:payment.*)",
        f"EXISTS (SELECT 1 FROM {_R} WHERE {_R}.run_id = r.id AND {_R}.team_id = r.team_id AND ({{}}))",  # noqa: S608 -- put together from constants
        {key.name: key for key in _KEYS}, words=_words, times=("opened", "due", "closed"), is_rare=True,
    )
)  # fmt: skip
