"""The search text of the run list (pure): `status:failed agent:site-research report 0192`.

Bare words stand for the beginning of the run's id or of a word of its title; all must hold. `key:a,b` means any of
the values. Anything else is an error that says where, never a word that is dropped in silence.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import get_close_matches

from agentops.common.errors import BadQueryError
from runs.engine.states import RunStatus

MAX_CHARACTERS = 2048
MAX_WORDS = 32
KEYS = ("agent", "status")

_TOKEN = re.compile(
    r'\s*(?:"(?P<quoted>[^"]*)"(?=\s|$)|(?P<key>[A-Za-z_]+):(?P<value>[^\s"]*)|(?P<word>[^\s"]+))'
)


@dataclass(frozen=True, slots=True)
class RunQuery:
    """What a run must match: one of the statuses, one of the agents (where any are given), and all words."""

    statuses: frozenset[RunStatus] = frozenset()
    agents: frozenset[str] = frozenset()
    words: tuple[str, ...] = ()


def parse_run_query(text: str) -> RunQuery:
    """Return what the text asks for.

    Raises: BadQueryError with `position` and `suggestion` where it cannot be understood.
    """
    if len(text) > MAX_CHARACTERS:
        raise BadQueryError(f"the query has more than {MAX_CHARACTERS} characters", position=MAX_CHARACTERS)
    if "\0" in text:
        raise BadQueryError("the query holds a NUL character", position=text.index("\0"))
    statuses: set[RunStatus] = set()
    agents: set[str] = set()
    words: list[str] = []
    for match in _tokens(text):
        if match["key"] is None:
            words.append(match["quoted"] if match["word"] is None else match["word"])
        elif match["key"] == "status":
            statuses |= {_status(value, at) for value, at in _values(match)}
        elif match["key"] == "agent":
            agents |= {value for value, _ in _values(match)}
        else:
            raise _unknown_key(match)
    return RunQuery(frozenset(statuses), frozenset(agents), tuple(word for word in words if word))


def _tokens(text: str) -> Iterator[re.Match[str]]:
    at = 0
    for _ in range(MAX_WORDS):
        if not text[at:].strip():
            return
        match = _TOKEN.match(text, at)
        if match is None:
            where = at + len(text[at:]) - len(text[at:].lstrip())
            raise BadQueryError(f"the quotation mark at character {where} has no partner", position=where)
        at = match.end()
        yield match
    if text[at:].strip():
        raise BadQueryError(f"the query has more than {MAX_WORDS} words", position=at)


def _values(match: re.Match[str]) -> Iterator[tuple[str, int]]:
    at = match.start("value")
    for value in match["value"].split(","):
        if not value:
            raise BadQueryError(f"{match['key']}: needs a value at character {at}", position=at)
        yield value, at
        at += len(value) + 1


def _status(value: str, at: int) -> RunStatus:
    try:
        return RunStatus(value)
    except ValueError:
        near = get_close_matches(value, list(RunStatus), n=1)
        raise BadQueryError(
            f"there is no status {value!r} (character {at}); there are {', '.join(RunStatus)}",
            position=at,
            suggestion=f"status:{near[0]}" if near else None,
        ) from None


def _unknown_key(match: re.Match[str]) -> BadQueryError:
    key, at = match["key"], match.start("key")
    near = get_close_matches(key, KEYS, n=1)
    token = f"{key}:{match['value']}"
    return BadQueryError(
        f"there is no key {key!r} (character {at}); there are {', '.join(KEYS)}. "
        "Put the word in quotation marks to look for it in titles",
        position=at,
        suggestion=f"{near[0]}:{match['value']}" if near else f'"{token}"',
    )
