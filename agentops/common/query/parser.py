"""Text → terms, by one pass from left to right; whatever cannot be read is refused with its place, never dropped.

query  = or ;                 or   = and { "OR" and } ;      and = term { ["AND"] term } ;
term   = [ "-" | "!" ] ( "(" or ")" | scope "(" or ")" | filter | text ) ;
filter = key ":" [ ">" | ">=" | "<" | "<=" | "=" | "~" ] value { "," value } ;
value  = word | quoted | value ".." value ;
key    = name { "." ( name | quoted ) } ;
"""

import re

from agentops.common.errors import BadQueryError
from agentops.common.query.terms import And, Filter, Not, Or, Range, Scope, Term, Text, Value
from agentops.common.query.words import (
    JOINTS,
    KEY,
    OPERATOR,
    PART,
    QUOTE,
    SCOPE,
    VALUE_WORD,
    WORD,
    unquote,
)

MAX_CHARACTERS = 2048
MAX_TOKENS = 128
MAX_DEPTH = 5

_SPACE = re.compile(r"\s*")


def parse(text: str) -> Term:
    """Return what the text asks for; an empty text asks for everything.

    Raises: BadQueryError with `position`, and with `suggestion`, a whole query, where one can be made.
    """
    if len(text) > MAX_CHARACTERS:
        raise refusal(f"the query has more than {MAX_CHARACTERS:,} characters", MAX_CHARACTERS)
    if "\0" in text:
        raise refusal("the query holds a NUL character", text.index("\0"))
    reader = _Reader(text)
    term = reader.any_of(depth=0)
    if not reader.is_at_end():
        without = text[: reader.at] + text[reader.at + 1 :]
        raise refusal(f"the bracket at character {reader.at} closes nothing", reader.at, without.strip())
    return term


def refusal(detail: str, position: int, suggestion: str | None = None) -> BadQueryError:
    """Return the error for a query that goes wrong at `position`; `suggestion` is a whole query to try instead."""
    return BadQueryError(detail, position=position, **({"suggestion": suggestion} if suggestion else {}))


class _Reader:
    """A place in the text, and how many terms and values were read up to it."""

    def __init__(self, text: str) -> None:
        self.text, self.at, self.n_tokens = text, 0, 0

    def is_at_end(self) -> bool:
        return self.at >= len(self.text)

    def any_of(self, depth: int) -> Term:
        parts = [self.all_of(depth)]
        while self._take_joint("OR"):
            parts.append(self.all_of(depth, is_needed=True))
        if len(parts) > 1 and parts[0] == And():
            raise refusal("OR needs a term before it", self._place_of_or())
        return Or.of(*parts)

    def all_of(self, depth: int, *, is_needed: bool = False) -> Term:
        terms: list[Term] = []
        while self._has_term():
            terms.append(self._term(depth))
            if self._take_joint("AND") and not self._has_term():
                raise refusal("AND needs a term behind it", self.at)
        if is_needed and not terms:
            raise refusal("OR needs a term behind it", self.at)
        return And.of(*terms)

    def _has_term(self) -> bool:
        self._skip()
        return not self.is_at_end() and self.text[self.at] != ")" and self._joint() != "OR"

    def _term(self, depth: int) -> Term:
        self._count()
        if self._joint():
            raise refusal(f"{self._joint()} needs a term before it", self.at)
        if self.text[self.at] not in "-!":
            return self._positive(depth)
        self.at += 1
        if not self._has_term() or self.text[self.at - 1] not in "-!" or self.text[self.at] in "-!":
            raise refusal("a minus needs a term right behind it", self.at - 1)
        return Not.of(self._positive(depth))

    def _positive(self, depth: int) -> Term:
        began = self.at
        if self.text[began] == "(":
            self.at += 1
            return self._group(depth, began)
        if found := SCOPE.match(self.text, began):
            self.at = found.end()
            return Scope(found[1], self._group(depth, found.end() - 1), began)
        if found := KEY.match(self.text, began):
            self.at = found.end()
            return self._filter(found)
        return self._text()

    def _group(self, depth: int, opened_at: int) -> Term:
        if depth >= MAX_DEPTH:
            raise refusal(f"brackets may stand {MAX_DEPTH} deep, no deeper", opened_at)
        inner = self.any_of(depth + 1)
        if self.is_at_end():
            raise refusal(
                f"the bracket at character {opened_at} is never closed", opened_at, f"{self.text.rstrip()})"
            )
        if inner == And():
            raise refusal("these brackets hold nothing", opened_at)
        self.at += 1
        return inner

    def _filter(self, found: re.Match[str]) -> Filter:
        path = tuple(unquote(part) if part[0] == '"' else part for part in PART.findall(found[2]))
        operator = self._operator()
        values = self._list() if self.text[self.at : self.at + 1] == "[" else self._values()
        if operator and len(values) > 1:
            raise refusal(f"{operator} takes one value", values[1].at)
        self._end_of_term()
        return Filter(found[1], values, operator, path, found.start(), self.at)

    def _operator(self) -> str:
        found = OPERATOR.match(self.text, self.at)
        self.at = found.end() if found else self.at
        return found[0] if found else ""

    def _list(self) -> tuple[Value | Range, ...]:
        """Read Sentry's way of saying any of: `key:[a,b]`."""
        opened_at = self.at
        self.at += 1
        values = self._values(may_space=True)
        self._skip()
        if self.text[self.at : self.at + 1] != "]":
            raise refusal(f"the bracket at character {opened_at} is never closed", opened_at)
        self.at += 1
        return values

    def _values(self, *, may_space: bool = False) -> tuple[Value | Range, ...]:
        values = [self._value(may_space=may_space)]
        while self.text[self.at : self.at + 1] == ",":
            self.at += 1
            self._count()
            values.append(self._value(may_space=may_space))
        return tuple(values)

    def _value(self, *, may_space: bool) -> Value | Range:
        if may_space:
            self._skip()
        low = self._one_value()
        if self.text.startswith("..", self.at):
            self.at += 2
            return Range(low, self._one_value())
        return low

    def _one_value(self) -> Value:
        began = self.at
        if self.text[began : began + 1] == '"':
            return self._quoted()
        found = VALUE_WORD.match(self.text, began)
        word = found[0].partition("..")[0] if found else ""
        if not word:
            raise refusal(f"a value is missing at character {began}", began)
        self.at += len(word)
        return Value(word, at=began)

    def _quoted(self) -> Value:
        found = QUOTE.match(self.text, self.at)
        if found is None:
            raise refusal(f"the quotation mark at character {self.at} has no partner", self.at)
        self.at = found.end()
        return Value(unquote(found[0]), is_quoted=True, at=found.start())

    def _text(self) -> Text:
        if self.text[self.at] == '"':
            value = self._quoted()
            self._end_of_term()
            return Text(value)
        if self.text[self.at] == "~":
            raise refusal("search by meaning is not there yet; look for words instead", self.at)
        found = WORD.match(self.text, self.at)
        assert found, "a term begins here, and no bracket or quotation mark"
        began, self.at = self.at, found.end()
        self._end_of_term()
        return Text(Value(found[0], at=began))

    def _end_of_term(self) -> None:
        if not self.is_at_end() and not self.text[self.at].isspace() and self.text[self.at] != ")":
            spaced = f"{self.text[: self.at]} {self.text[self.at :]}"
            raise refusal(f"a space is missing at character {self.at}", self.at, spaced)

    def _joint(self) -> str:
        found = WORD.match(self.text, self.at)
        return found[0] if found and found[0] in JOINTS else ""

    def _take_joint(self, joint: str) -> bool:
        self._skip()
        is_here = self._joint() == joint
        self.at += len(joint) if is_here else 0
        return is_here

    def _place_of_or(self) -> int:
        found = re.search(r"\bOR\b", self.text)
        return found.start() if found else 0

    def _skip(self) -> None:
        found = _SPACE.match(self.text, self.at)
        self.at = found.end() if found else self.at

    def _count(self) -> None:
        self.n_tokens += 1
        if self.n_tokens > MAX_TOKENS:
            raise refusal(f"the query has more than {MAX_TOKENS} terms", self.at)
