"""`content:` and `state.…:` – words in the last states and errors of runs, and values at paths that agents declare.

What runs have is read in the background when they have ended (runs.services.read_texts).
"""

from django.utils.translation import gettext_lazy as _

from agentops.common.query import Filter, Value, refusal
from runs.search import kinds
from runs.search.registry import Asker, Key, register_key
from runs.search.sql import Condition, any_of
from runs.search.texts import phrase_of

_TEXT = (
    "EXISTS (SELECT 1 FROM runs_runtext t WHERE t.run_id = r.id AND t.team_id = r.team_id"
    " AND t.words @@ to_tsquery('simple', %s))"
)
_VALUE = "EXISTS (SELECT 1 FROM runs_runvalue v WHERE v.run_id = r.id AND v.team_id = r.team_id AND v.path = %s AND {})"


def _contents(asked: Filter, _asker: Asker) -> Condition:
    if asked.path:
        raise refusal(
            "`content` has no parts; for a place in the state write state.order.country:DE", asked.at
        )
    return any_of([_alone(_TEXT, phrase_of(value)) for value in kinds.plain(asked)])


def _states(asked: Filter, _asker: Asker) -> Condition:
    path = ".".join(asked.path)
    if not path:
        raise refusal("`state` needs a path, such as state.order.country:DE", asked.at)
    return any_of([_value(path, value) for value in kinds.plain(asked)])


def _value(path: str, value: Value) -> Condition:
    if kinds.word(value) == kinds.ANYTHING:
        return _alone(_VALUE.format("true"), path)
    if like := kinds.pattern(value):
        return _alone(_VALUE.format("v.value LIKE %s"), path, like)
    return _alone(_VALUE.format("v.value = %s"), path, value.text[:200])


def _alone(text: str, *params: str) -> Condition:
    return Condition(text, params, is_alone=True).as_rare()


for _one in (
    Key("content", _("Words in its last state and its errors"), 'content:"captcha blocks"', _contents),
    Key("state", _("A value of its last state, at a path that its agent declares"), "state.case:4711", _states, has_parts=True),
):  # fmt: skip
    register_key(_one)
