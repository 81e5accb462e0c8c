"""`stuck(…)`: runs with one episode of which everything inside holds, whether it is over or not."""

from django.utils.translation import gettext_lazy as _

from agentops.common.query import Filter, Range, Value, refusal
from runs.engine.watch_rules import REASONS, REMEDIES
from runs.search import kinds
from runs.search.registry import Asker, Key, ScopeKind, register_scope
from runs.search.sql import Condition, any_of
from runs.search.texts import phrase_of, words_in
from runs.search.values import span_of

RESOLUTIONS = ("moved_on", "resumed", "rewound", "wanted", "succeeded", "failed", "cancelled", "expired")
_STATES = {"open": "s.to_at IS NULL", "over": "s.to_at IS NOT NULL"}
# The expressions of the indexes stuck_during and stuck_words, character for character.
_DURING = "tstzrange(s.from_at, s.to_at)"
_WORDS = words_in("s.text")
_ME = "(s.resolved_by = %s OR s.resolved_by LIKE %s)"
_AGENT = "s.agent_id IN (SELECT a.id FROM runs_agent a WHERE a.team_id = %s AND ({}))"
_DURATION = "extract(epoch FROM (coalesce(s.to_at, clock_timestamp()) - s.from_at))"


def _reasons(names: list[str]) -> Condition:
    return Condition("s.reason = ANY(%s)", (names,))


def _resolutions(names: list[str]) -> Condition:
    return Condition("s.resolution = ANY(%s)", (names,))


def _states(names: list[str]) -> Condition:
    return any_of([Condition(_STATES[name]) for name in names])


def _remedies(names: list[str]) -> Condition:
    return any_of(
        [
            Condition("s.taken @> jsonb_build_array(jsonb_build_object('do', %s::text))", (name,))
            for name in names
        ]
    )


def _agents(asked: Filter, asker: Asker) -> Condition:
    found = kinds.texts("a.slug")(asked, asker)
    return Condition(_AGENT.format(found.text), (asker.team_id, *found.params))


def _at(asked: Filter, asker: Asker) -> Condition:
    return any_of([_overlaps(asked, value, asker) for value in asked.values])


def _overlaps(asked: Filter, value: Value | Range, asker: Asker) -> Condition:
    since, until = kinds.bounds(asked, span_of(value, asker.now, asker.zone))
    if since and until and until < since:
        raise refusal(f"this time ends before it begins (character {asked.at})", asked.at)
    return Condition(f"{_DURING} && tstzrange(%s::timestamptz, %s::timestamptz, '[]')", (since, until))


def _words(value: Value) -> Condition:
    return Condition(f"{_WORDS} @@ to_tsquery('simple', %s)", (phrase_of(value),))


_KEYS = (
    Key("node", _("The node where it was stuck"), "node:login", kinds.texts("s.node")),
    Key("reason", _("Why it was stuck"), "reason:looping", kinds.choice(REASONS, _reasons), REASONS),
    Key("at", _("Stuck at some moment of this time"), "at:yesterday", _at),
    Key("from", _("When it got stuck"), "from:-1d", kinds.times("s.from_at")),
    Key("to", _("When that was over"), "to:today", kinds.times("s.to_at", has="s.to_at IS NOT NULL")),
    Key("is", _("Whether that is over"), "is:open", kinds.choice(tuple(_STATES), _states), tuple(_STATES)),
    Key("agent", _("Slug of the agent"), "agent:portal-filing", _agents),
    Key("error", _("What failed, without what differs from case to case"), "error:*503*", kinds.texts("s.error")),
    Key("fingerprint", _("What such episodes have in common"), "fingerprint:1-4f2a*", kinds.texts("s.fingerprint")),
    Key("remedy", _("What the watch has done"), "remedy:pause", kinds.choice(REMEDIES, _remedies), REMEDIES),
    Key("resolution", _("How it ended"), "resolution:moved_on", kinds.choice(RESOLUTIONS, _resolutions), RESOLUTIONS),
    Key("by", _("Who ended it"), "by:@me", kinds.texts("s.resolved_by", me=_ME)),
    Key("duration", _("How long it was stuck"), "duration:>1h", kinds.numbers(_DURATION, kinds.lengths)),
)  # fmt: skip
STUCK = register_scope(
    ScopeKind(
        "stuck", _("One and the same time that the run was stuck"), "stuck(node:login at:yesterday)",
        "EXISTS (SELECT 1 FROM runs_stuckstate s WHERE s.run_id = r.id AND s.team_id = r.team_id AND ({}))",
        {key.name: key for key in _KEYS}, words=_words, times=("at", "from", "to"), is_rare=True,
    )
)  # fmt: skip
