"""What a listener of a run's stream has been told: the id of each event, from which the stream goes on (pure).

Steps do not end in the order of their numbers: a node ends after its actions, and actions side by side end as they
end. So the id is no position but the set of what was told, as ranges. It holds on for ever, in any process.
"""

from bisect import bisect_left
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Self

from agentops.common.errors import BadQueryError

MAX_CHARACTERS = 16_000


@dataclass(frozen=True, slots=True)
class Told:
    """`ranges` of steps told, ascending, with gaps between them; log lines of other steps up to the number in `lines`.

    `failed` is the number and attempt of a failed node: a retry of the run ends that step again. `status` and
    `progress` are what was said last.
    """

    ranges: tuple[tuple[int, int], ...] = ()
    failed: tuple[int, int] | None = None
    lines: dict[int, int] = field(default_factory=dict)
    status: str = ""
    progress: str = ""

    @property
    def floor(self) -> int:
        """Return a number up to which there is nothing more to tell."""
        solid = self.ranges[0][1] if self.ranges and self.ranges[0][0] == 1 else 0
        return min(solid, self.failed[0] - 1) if self.failed else solid

    def multirange(self) -> str:
        """Return the steps as PostgreSQL writes an int8multirange."""
        return "{" + ",".join(f"[{first},{last}]" for first, last in self.ranges) + "}"

    def with_step(self, seq: int, *, failed_attempt: int | None = None) -> Self:
        """Return this with a step told, and all its lines; `failed_attempt` of a node that may be tried again."""
        lines = self.lines
        if failed_attempt is None and seq in lines:
            lines = {at: n for at, n in lines.items() if at != seq}
        failed = None if self.failed and self.failed[0] == seq else self.failed
        failed = failed if failed_attempt is None else (seq, failed_attempt)
        return replace(self, ranges=_with(self.ranges, seq), lines=lines, failed=failed)

    def with_line(self, seq: int, n: int) -> Self:
        return replace(self, lines={**self.lines, seq: n})

    def __str__(self) -> str:
        ranges = ",".join(str(first) if first == last else f"{first}-{last}" for first, last in self.ranges)
        failed = ".".join(map(str, self.failed)) if self.failed else ""
        lines = ",".join(f"{seq}.{n}" for seq, n in sorted(self.lines.items()))
        return "/".join((ranges, failed, lines, self.status, self.progress))

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return what the id of an event says; nothing told for an empty one.

        Raises: BadQueryError
        """
        if not text:
            return cls()
        try:
            ranges, failed, lines, status, progress = _fields(text)
            return cls(_ranges(ranges), _pair(failed) if failed else None, _lines(lines), status, progress)
        except ValueError:
            told = "this is not the id of an event of this stream; send the last one as it came, or none"
            raise BadQueryError(told, position=0, parameter="Last-Event-ID") from None


def _with(ranges: tuple[tuple[int, int], ...], seq: int) -> tuple[tuple[int, int], ...]:
    """Return the ranges with one more number in them, joined where they touch."""
    at = bisect_left(ranges, (seq + 1, 0))
    first, last = seq, seq
    before, after = ranges[:at], ranges[at:]
    if before and before[-1][1] >= seq - 1:
        first, last = before[-1][0], max(before[-1][1], seq)
        before = before[:-1]
    if after and after[0][0] <= last + 1:
        last = max(after[0][1], last)
        after = after[1:]
    return (*before, (first, last), *after)


def _fields(text: str) -> list[str]:
    if len(text) > MAX_CHARACTERS or not text.isascii() or not text.isprintable():
        raise ValueError
    return text.split("/")


def _ranges(text: str) -> tuple[tuple[int, int], ...]:
    found = []
    for part in text.split(",") if text else []:
        first, _, last = part.partition("-")
        found.append((_number(first), _number(last or first)))
    if any(first > last for first, last in found) or any(
        one[1] + 1 >= other[0] for one, other in pairwise(found)
    ):
        raise ValueError
    return tuple(found)


def _lines(text: str) -> dict[int, int]:
    return dict(_pair(part) for part in text.split(",")) if text else {}


def _pair(text: str) -> tuple[int, int]:
    seq, _, n = text.partition(".")
    return _number(seq), _number(n)


def _number(text: str) -> int:
    if not text.isdecimal() or len(text) > 18 or int(text) < 1:
        raise ValueError
    return int(text)
