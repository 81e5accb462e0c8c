"""The words of memory: kinds of spaces, who may write, what an item is worth (pure)."""

from enum import StrEnum


class SpaceKind(StrEnum):
    """What is kept: what every prompt holds, what happened, what is so, how it is done."""

    CORE = "core"
    EPISODIC = "episodic"
    SEMANTIC = "semantic"
    PROCEDURAL = "procedural"

    @property
    def fades(self) -> bool:
        """Whether age makes an item of it count for less."""
        return self in (SpaceKind.EPISODIC, SpaceKind.SEMANTIC)


class WritePolicy(StrEnum):
    """What becomes of an agent's writes: they count at once, they wait for a person, they are refused."""

    OPEN = "open"
    REVIEW = "review"
    CLOSED = "closed"


class Trust(StrEnum):
    """Where an item comes from; the earlier in this list, the more it counts."""

    SYSTEM = "system"
    HUMAN = "human"
    AGENT = "agent"
    UNTRUSTED = "untrusted"

    @property
    def factor(self) -> float:
        return {Trust.SYSTEM: 1.1, Trust.HUMAN: 1.1, Trust.AGENT: 1.0, Trust.UNTRUSTED: 0.6}[self]

    def is_at_least(self, least: "Trust") -> bool:
        order = list(Trust)
        return order.index(self) <= order.index(least)


class ItemStatus(StrEnum):
    ACTIVE = "active"
    QUARANTINED = "quarantined"
    SUPERSEDED = "superseded"
    FORGOTTEN = "forgotten"


class SearchMode(StrEnum):
    HYBRID = "hybrid"
    LEXICAL = "lexical"
    VECTOR = "vector"
