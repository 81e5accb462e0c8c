"""The keys that every run has (docs/reference/query-language.md)."""

from datetime import datetime, timedelta

from django.utils.translation import gettext_lazy as _

from agentops.common.query import Filter, Range, Value, refusal
from runs.engine.states import OPEN, RunStatus
from runs.engine.watch_rules import REASONS
from runs.search import kinds
from runs.search.registry import Asker, Key, register_key
from runs.search.sql import Condition, Hints, any_of
from runs.search.values import span_of

HEALTH = (
    "retrying", "stuck", "stalled", "looping", "zombie", "forgotten", "orphan", "over_budget", "burning", "overdue",
    "no_worker", "runaway", "integrity_failed",
)  # fmt: skip
_IS: dict[str, Condition] = {
    "open": Condition("r.ended_at IS NULL", hints=Hints(statuses=frozenset(OPEN))),
    "ended": Condition("r.ended_at IS NOT NULL"),
    "fork": Condition("r.forked_from_id IS NOT NULL"),
    "child": Condition("r.parent_id IS NOT NULL"),
}


def _statuses(names: list[str]) -> Condition:
    hints = Hints(statuses=frozenset(names))
    return Condition("r.status = ANY(%s)", (names,), hints, is_exact=True)


def _health(names: list[str]) -> Condition:
    return any_of([_has_flag(name) for name in names])


def _has_flag(name: str) -> Condition:
    return Condition("r.health @> %s::varchar[] AND r.health <> '{}'", ([name],)).as_rare()


def _flags(names: list[str]) -> Condition:
    return any_of([_IS.get(name) or (_STUCK if name == "stuck" else _has_flag(name)) for name in names])


def _agents(asked: Filter, asker: Asker) -> Condition:
    return any_of(_by_agent(asked, asker))


def _by_agent(asked: Filter, asker: Asker) -> list[Condition]:
    values = kinds.plain(asked)
    named = [value.text for value in values if not kinds.pattern(value)]
    patterns = [kinds.pattern(value) for value in values if kinds.pattern(value)]
    parts = [Condition(f"{_AGENT} AND a.slug LIKE %s)", (asker.team_id, like)) for like in patterns]
    if named:
        hints = Hints(agents=frozenset(named))
        parts.append(
            Condition(f"{_AGENT} AND a.slug = ANY(%s))", (asker.team_id, named), hints, is_exact=True)
        )
    return parts


# Whatever the reason; health:stuck is the flag of that name.
_STUCK = Condition("r.health && %s::varchar[] AND r.health <> '{}'", (list(REASONS),)).as_rare()
_AGENT = "r.agent_id IN (SELECT a.id FROM runs_agent a WHERE a.team_id = %s"
_VERSION = "r.agent_version_id IN (SELECT v.id FROM runs_agentversion v WHERE v.team_id = %s AND ({}))"


def _versions(asked: Filter, asker: Asker) -> Condition:
    number = kinds.numbers("v.number")(asked, asker)
    return Condition(_VERSION.format(number.text), (asker.team_id, *number.params))


def _tags(asked: Filter, _asker: Asker) -> Condition:
    return any_of([_tag(value) for value in kinds.plain(asked)])


def _tag(value: Value) -> Condition:
    if kinds.word(value) in (kinds.NOTHING, kinds.ANYTHING):
        return Condition(f"r.tags {'=' if kinds.word(value) == kinds.NOTHING else '<>'} '{{}}'")
    if like := kinds.pattern(value):
        return Condition("EXISTS (SELECT 1 FROM unnest(r.tags) t WHERE t LIKE %s)", (like,))
    return has_tag(value.text)


def has_tag(tag: str) -> Condition:
    """Return the condition that the run has this tag."""
    return Condition("r.tags @> %s::varchar[] AND r.tags <> '{}'", ([tag],)).as_rare()


def _batches(asked: Filter, asker: Asker) -> Condition:
    found = kinds.texts("r.batch_id")(asked, asker)
    is_named = all(
        not kinds.pattern(value) and kinds.word(value) != kinds.NOTHING for value in kinds.plain(asked)
    )
    return Condition(f"({found.text}) AND r.batch_id <> ''", found.params).as_rare() if is_named else found


def _ages(asked: Filter, asker: Asker) -> Condition:
    return any_of([_age(asked, value, asker) for value in asked.values])


def _age(asked: Filter, value: Value | Range, asker: Asker) -> Condition:
    """An age is told as the instant before which, or since which, the run was created."""
    if isinstance(value, Range):
        youngest, oldest = kinds.lengths(value.low), kinds.lengths(value.high)
        return _created(asker, since=oldest, until=youngest)
    seconds = kinds.lengths(value)
    if asked.operator in (">", ">="):
        return _created(asker, until=seconds)
    if asked.operator in ("<", "<="):
        return _created(asker, since=seconds)
    raise refusal("no run has exactly this age; write age:>3d or age:1h..2h", asked.at)


def _created(asker: Asker, *, since: float | None = None, until: float | None = None) -> Condition:
    """Return the condition that the run was created between these numbers of seconds ago."""
    ends = [None if ago is None else asker.now - timedelta(seconds=ago) for ago in (since, until)]
    told = [
        (text, at) for text, at in zip(("r.created_at >= %s", "r.created_at < %s"), ends, strict=True) if at
    ]
    text, params = " AND ".join(text for text, _ in told), tuple(at for _, at in told)
    return Condition(text, params, Hints(since=ends[0], until=ends[1]), is_exact=True)


def _since(since: datetime | None, until: datetime | None) -> Hints:
    return Hints(since=since, until=until)


def _until(_since: datetime | None, until: datetime | None) -> Hints:
    """A run is created before anything happens to it."""
    return Hints(until=until)


def _active(asked: Filter, asker: Asker) -> Condition:
    return any_of([_overlaps(asked, value, asker) for value in asked.values])


def _overlaps(asked: Filter, value: Value | Range, asker: Asker) -> Condition:
    since, until = kinds.bounds(asked, span_of(value, asker.now, asker.zone))
    parts = [("r.created_at < %s", until), ("(r.ended_at IS NULL OR r.ended_at >= %s)", since)]
    told = [(text, at) for text, at in parts if at is not None]
    return Condition(" AND ".join(text for text, _ in told), tuple(at for _, at in told), Hints(until=until))


_DURATION = "extract(epoch FROM (coalesce(r.ended_at, clock_timestamp()) - r.started_at))"
_TOKENS = "(r.tokens_in + r.tokens_out)"
_ME = "(r.created_by = %s OR r.created_by LIKE %s)"
_CODE = "(r.error->>'code')"

for _one in (
    Key("status", _("Where the run stands"), "status:failed,cancelled", kinds.choice(tuple(RunStatus), _statuses), tuple(RunStatus)),
    Key("is", _("A flag: open, ended, fork, child, stuck (whatever the reason), or a health flag"), "is:open", kinds.choice((*_IS, *HEALTH), _flags), (*_IS, *HEALTH)),
    Key("health", _("A health flag"), "health:retrying", kinds.choice(HEALTH, _health), HEALTH, has="r.health <> '{}'"),
    Key("agent", _("Slug of the agent"), "agent:site-research", _agents),
    Key("version", _("Number of the agent's version"), "version:>=3", _versions),
    Key("node", _("The node that runs now, or ran last"), "node:login", kinds.texts("r.node"), has="r.node <> ''"),
    Key("tag", _("A tag of the run"), "tag:prod", _tags, has="r.tags <> '{}'"),
    Key("batch", _("The batch it belongs to"), "batch:nightly-12", _batches, has="r.batch_id <> ''"),
    Key("queue", _("The queue it runs in"), "queue:default", kinds.texts("r.queue")),
    Key("user", _("Who started it; @me is you"), "user:@me", kinds.texts("r.created_by", me=_ME), has="r.created_by <> ''"),
    Key("title", _("The whole title, with * for any characters"), "title:Audit*", kinds.texts("r.title")),
    Key("error", _("Code of the error it failed with"), "error:timeout*", kinds.texts(_CODE), has="r.error IS NOT NULL"),
    Key("run", _("Its id, or how it begins"), "run:019f2a", kinds.ids("r.id")),
    Key("parent", _("Id of the run that started it"), "parent:019f2a44", kinds.ids("r.parent_id"), has="r.parent_id IS NOT NULL"),
    Key("root", _("Id of the run at the top of its tree"), "root:019f2a44", kinds.ids("r.root_id")),
    Key("fork", _("Id of the run it was forked from"), "fork:019f2a44", kinds.ids("r.forked_from_id"), has="r.forked_from_id IS NOT NULL"),
    Key("created", _("When it was created"), "created:-1d", kinds.times("r.created_at", _since), sort="r.created_at"),
    Key("started", _("When a worker first took it"), "started:yesterday",
        kinds.times("r.started_at", _until, has="r.started_at IS NOT NULL"), has="r.started_at IS NOT NULL"),
    Key("ended", _("When it ended"), "ended:today", kinds.times("r.ended_at", has="r.ended_at IS NOT NULL"), has="r.ended_at IS NOT NULL"),
    Key("active", _("Alive at some moment of this time"), "active:2026-01-31", _active),
    Key("age", _("How long ago it was created"), "age:>3d", _ages),
    Key("duration", _("From its first start to its end, or until now"), "duration:>1h", kinds.numbers(_DURATION, kinds.lengths), sort=_DURATION),
    Key("cost", _("What it has cost, in dollars"), "cost:>5", kinds.numbers("r.cost_microusd", kinds.money), sort="r.cost_microusd"),
    Key("tokens", _("Tokens in and out"), "tokens:>100k", kinds.numbers(_TOKENS), sort=_TOKENS),
    Key("steps", _("Steps it has done"), "steps:>=1000", kinds.numbers("r.n_steps"), sort="r.n_steps"),
    Key("retries", _("Tries beyond the first, of all its steps"), "retries:>3", kinds.numbers("r.n_retries"), sort="r.n_retries"),
    Key("priority", _("Its priority, -100 to 100"), "priority:>0", kinds.numbers("r.priority"), sort="r.priority"),
):  # fmt: skip
    register_key(_one)
