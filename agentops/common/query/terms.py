"""What a query is made of. Positions (`at`, characters from 0) are for error messages and make no difference."""

from dataclasses import dataclass, field
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class Value:
    """One word or quoted text; only a word has wildcards, relative times and names such as `@me` or `none`."""

    text: str
    is_quoted: bool = False
    at: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Range:
    """`low..high`, both ends included."""

    low: Value
    high: Value

    @property
    def at(self) -> int:
        return self.low.at


@dataclass(frozen=True, slots=True)
class Text:
    """A bare word or quoted text."""

    value: Value

    @property
    def at(self) -> int:
        return self.value.at


@dataclass(frozen=True, slots=True)
class Filter:
    """`key:value,value` or `key:>value`; `path` are the names behind the dots of the key."""

    key: str
    values: tuple[Value | Range, ...]
    operator: str = ""
    path: tuple[str, ...] = ()
    at: int = field(default=0, compare=False)
    end: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Scope:
    """`step(…)`: everything inside must hold of one and the same child."""

    name: str
    inner: "Term"
    at: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Not:
    term: "Term"

    @classmethod
    def of(cls, term: "Term") -> "Term":
        """Return the opposite; twice is nothing."""
        return term.term if isinstance(term, Not) else cls(term)


@dataclass(frozen=True, slots=True)
class And:
    """All of the terms; of none of them, everything."""

    terms: "tuple[Term, ...]" = ()
    joint: ClassVar[str] = " "

    @classmethod
    def of(cls, *terms: "Term") -> "Term":
        """Return the terms as one, flat."""
        flat = tuple(part for term in terms for part in (term.terms if isinstance(term, And) else (term,)))
        return flat[0] if len(flat) == 1 else cls(flat)


@dataclass(frozen=True, slots=True)
class Or:
    """Any of two or more terms."""

    terms: "tuple[Term, ...]"
    joint: ClassVar[str] = " OR "

    @classmethod
    def of(cls, *terms: "Term") -> "Term":
        """Return the terms as one, flat."""
        flat = tuple(part for term in terms for part in (term.terms if isinstance(term, Or) else (term,)))
        return flat[0] if len(flat) == 1 else cls(flat)


Term = Text | Filter | Scope | Not | And | Or
