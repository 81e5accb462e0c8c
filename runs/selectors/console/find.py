"""Finding words in a run: in names, summaries, logs and attempts, and in what its steps were asked, gave and wrote.

Stored values are compressed, so they are read and searched here, a bounded stretch of steps at a time.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Q

from agentops.accounts.roles import Actor
from runs.checkpoints.blobs import resolved
from runs.checkpoints.codec import plain
from runs.models import Attempt, Checkpoint, LogLine, Outcome, Run, Step

STRETCH_STEPS = 3000
MAX_BYTES = 24 << 20
MAX_HITS = 60
CONTEXT = 70
MIN_CHARACTERS, MAX_CHARACTERS = 2, 200


@dataclass(frozen=True, slots=True)
class Hit:
    """Where the words stand: `where` is name, log, attempt, input, output or state; the text around them in three parts."""

    seq: int
    where: str
    before: str
    found: str
    after: str


@dataclass(frozen=True, slots=True)
class Found:
    """The hits of one stretch, by seq, one a step and place. `searched_to` is its last step; None behind the run's end."""

    hits: list[Hit]
    searched_to: int
    has_more: bool


def find_in_run(actor: Actor, run: Run, words: str, *, after: int) -> Found:
    """Return where `words` stand in the steps behind `after`, whatever their case, as far as one request reads."""
    upto = after + STRETCH_STEPS
    last = (
        Step.objects.filter(team_id=actor.team_id, run_id=run.pk)
        .order_by("-seq")
        .values_list("seq", flat=True)
        .first()
    )
    place = {"team_id": actor.team_id, "run_id": run.pk, "seq__gt": after, "seq__lte": upto}
    hits, searched_to = _in_values(place, words, upto)
    place["seq__lte"] = searched_to
    hits = [*_in_rows(place, words), *hits]
    hits.sort(key=lambda hit: hit.seq)
    if len(hits) > MAX_HITS:
        searched_to = hits[MAX_HITS - 1].seq
        hits = [hit for hit in hits if hit.seq <= searched_to]
    return Found(hits, min(searched_to, last or 0), has_more=searched_to < (last or 0))


def _in_rows(place: dict[str, Any], words: str) -> Iterator[Hit]:
    """Yield hits in what stands in columns of its own."""
    told = Q(name__icontains=words) | Q(summary__icontains=words) | Q(error_code__icontains=words)
    steps = Step.objects.filter(told, **place).order_by("seq")
    for step in steps.values_list("seq", "name", "summary", "error_code")[: MAX_HITS + 1]:
        yield from _hit(step[0], "name", " · ".join(filter(None, step[1:])), words)
    lines = LogLine.objects.filter(message__icontains=words, **place).order_by("seq", "n")
    for seq, message in lines.values_list("seq", "message")[: MAX_HITS + 1]:
        yield from _hit(seq, "log", message, words)
    tries = Attempt.objects.filter(
        Q(message__icontains=words) | Q(detail__icontains=words), **place
    ).order_by("seq")
    for seq, message, detail in tries.values_list("seq", "message", "detail")[: MAX_HITS + 1]:
        yield from _hit(seq, "attempt", f"{message} {detail}", words)


def _in_values(place: dict[str, Any], words: str, upto: int) -> tuple[list[Hit], int]:
    """Return hits in stored values, and the step up to which they were read."""
    needle = json.dumps(words, ensure_ascii=False)[1:-1]
    hits: list[Hit] = []
    n_bytes = 0
    for seq, where, codec, body in _values(place):
        if n_bytes > MAX_BYTES or len(hits) > MAX_HITS:
            return [hit for hit in hits if hit.seq < seq], seq - 1
        text = plain(*resolved(codec, body)).decode()
        n_bytes += len(text)
        hits += _hit(seq, where, text, needle)
    return hits, upto


def _values(place: dict[str, Any]) -> Iterator[tuple[int, str, int, bytes | memoryview]]:
    """Yield the stored values of the steps, in the order of their seq."""
    outcomes = Outcome.objects.filter(**place).order_by("seq")
    rows: list[tuple[int, str, int, bytes | memoryview]] = []
    for seq, request_codec, request, codec, body in outcomes.values_list(
        "seq", "request_codec", "request", "body_codec", "body"
    ):
        rows.append((seq, "input", request_codec, request))
        if body is not None:
            rows.append((seq, "output", codec, body))
    deltas = Checkpoint.objects.filter(kind="d", **place).values_list("seq", "codec", "body")
    rows += [(seq, "state", codec, body) for seq, codec, body in deltas]
    return iter(sorted(rows, key=lambda row: row[0]))


def _hit(seq: int, where: str, text: str, words: str) -> Sequence[Hit]:
    at = text.lower().find(words.lower())
    if at < 0:
        return ()
    end = at + len(words)
    before = ("…" if at > CONTEXT else "") + text[max(0, at - CONTEXT) : at]
    after = text[end : end + CONTEXT] + ("…" if len(text) > end + CONTEXT else "")
    return (Hit(seq, where, before, text[at:end], after),)
