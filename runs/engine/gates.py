"""The gate before a model: whether a request may go now, by its rate limits and by how it fared lately (pure).

Times are seconds of one clock, the database's. Limits hold over any 60 seconds: a tenth of a limit may go at once, the rest
comes in evenly. Source: token buckets as ATM's GCRA; Nygard, "Release It!", circuit breaker with one half-open probe.
"""

from dataclasses import dataclass, replace
from enum import StrEnum

BURST_SHARE = 0.1
TOKENS_BURST_SHARE = 0.25
TRIP_FAILURES = 3
FAILURE_WINDOW_SECONDS = 60.0
LIMIT_WINDOW_SECONDS = 60.0
FIRST_OPEN_SECONDS = 15.0
LONGEST_OPEN_SECONDS = 300.0
LONGEST_THROTTLE_SECONDS = 60.0
LONGEST_PROMISE_SECONDS = 30.0
# A probe that times out is noted a moment after its time-out; nobody follows it before that.
PROBE_GRACE_SECONDS = 10.0


class Way(StrEnum):
    """What the gate says. OPEN: the breaker is open, nobody goes. TOO_LARGE: it never fits."""

    GO = "go"
    PROBE = "probe"
    WAIT = "wait"
    OPEN = "open"
    TOO_LARGE = "too_large"


@dataclass(frozen=True, slots=True)
class Verdict:
    """`seconds`: how long it will be closed, for WAIT and OPEN."""

    way: Way
    seconds: float = 0.0

    @property
    def may_go(self) -> bool:
        return self.way in (Way.GO, Way.PROBE)


@dataclass(frozen=True, slots=True)
class Limits:
    """Requests and tokens a minute; 0 for none known."""

    rpm: int = 0
    tpm: int = 0


@dataclass(frozen=True, slots=True)
class Gate:
    """How a model stands. The buckets are as of `at`; None of them means full.

    `blocked_until`: the provider asked for that. `open_until`: the breaker is open until then, and then one probe goes,
    which has until `probe_until`. `promised_until`: when the last of those that wait was told to come back. `sent_requests` and
    `sent_tokens` went while nobody knew a limit, in the minute from `sent_since` on. `n_throttled` and `n_opened` count what came without a success between.
    """

    limits: Limits = Limits()
    requests_left: float | None = None
    tokens_left: float | None = None
    at: float = 0.0
    blocked_until: float = 0.0
    n_throttled: int = 0
    n_failures: int = 0
    failed_at: float = 0.0
    open_until: float = 0.0
    n_opened: int = 0
    probe_until: float = 0.0
    promised_until: float = 0.0
    sent_since: float = 0.0
    sent_requests: int = 0
    sent_tokens: int = 0

    @property
    def is_open(self) -> bool:
        return self.open_until > 0


def admit(gate: Gate, now: float, *, tokens: int, timeout_seconds: float) -> tuple[Gate, Verdict]:
    """Return whether a request of about `tokens` may go now, and the gate after that."""
    if gate.limits.tpm and tokens > gate.limits.tpm:
        return gate, Verdict(Way.TOO_LARGE)
    if gate.is_open and now < max(gate.open_until, gate.probe_until):
        return gate, Verdict(Way.OPEN, max(gate.open_until, gate.probe_until) - now)
    filled = _filled(gate, now)
    seconds = max(gate.blocked_until - now, _wait_seconds(filled, tokens))
    if seconds > 0:
        return _promised(filled, now, seconds, tokens)
    taken = _taken(filled, now, tokens)
    if gate.is_open:
        until = now + timeout_seconds + PROBE_GRACE_SECONDS
        return replace(taken, probe_until=until), Verdict(Way.PROBE)
    return taken, Verdict(Way.GO)


def succeeded(gate: Gate, *, estimated: int, actual: int) -> Gate:
    """Return the gate after an answer: the breaker closes, and what the estimate missed is settled."""
    settled = _given_back(gate, estimated - actual)
    return replace(settled, n_failures=0, open_until=0.0, n_opened=0, probe_until=0.0, n_throttled=0)


def failed(gate: Gate, now: float, *, estimated: int) -> Gate:
    """Return the gate after a failure that is the provider's: the breaker opens after TRIP_FAILURES in a row.

    A probe that fails opens it again, for twice as long.
    """
    gate = _given_back(gate, estimated)
    is_recent = now - gate.failed_at <= FAILURE_WINDOW_SECONDS
    gate = replace(gate, n_failures=gate.n_failures + 1 if is_recent else 1, failed_at=now)
    is_probe = gate.probe_until > 0
    if is_probe or (gate.n_failures >= TRIP_FAILURES and now >= gate.open_until):
        seconds = min(FIRST_OPEN_SECONDS * 2 ** min(gate.n_opened, 16), LONGEST_OPEN_SECONDS)
        return replace(gate, open_until=now + seconds, n_opened=gate.n_opened + 1, probe_until=0.0)
    return gate


def throttled(gate: Gate, now: float, *, estimated: int, retry_after_seconds: float | None) -> Gate:
    """Return the gate after a 429: nobody goes before the time that was asked for, else 1, 2, 4 … seconds."""
    seconds = retry_after_seconds
    if seconds is None:
        seconds = min(2.0 ** min(gate.n_throttled, 10), LONGEST_THROTTLE_SECONDS)
    gate = _given_back(gate, estimated)
    until = max(gate.blocked_until, now + seconds)
    return replace(gate, blocked_until=until, n_throttled=gate.n_throttled + 1, probe_until=0.0)


def learned(
    gate: Gate, now: float, limits: Limits, *, requests_left: int | None, tokens_left: int | None
) -> Gate:
    """Return the gate after the provider told its limits and what is left of them."""
    gate = _filled(replace(gate, limits=limits), now)
    return replace(
        gate,
        requests_left=_least(gate.requests_left, requests_left),
        tokens_left=_least(gate.tokens_left, tokens_left),
    )


def _promised(gate: Gate, now: float, seconds: float, tokens: int) -> tuple[Gate, Verdict]:
    """Return when to come back: those that wait are told one time after the other, or they would all come at once, for one place."""
    until = max(now + seconds, gate.promised_until + _spacing_seconds(gate.limits, tokens))
    until = min(until, now + seconds + LONGEST_PROMISE_SECONDS)
    return replace(gate, promised_until=until), Verdict(Way.WAIT, until - now)


def _spacing_seconds(limits: Limits, tokens: int) -> float:
    """Return how long what one request takes needs to come in again."""
    by_requests = 1 / _rate(limits.rpm, BURST_SHARE) if limits.rpm else 0.0
    by_tokens = tokens / _rate(limits.tpm, TOKENS_BURST_SHARE) if limits.tpm else 0.0
    return max(by_requests, by_tokens)


def _filled(gate: Gate, now: float) -> Gate:
    passed, sent = max(now - gate.at, 0.0), _sent(gate, now)
    return replace(
        gate,
        at=max(now, gate.at),
        requests_left=_refilled(gate.requests_left, gate.limits.rpm, BURST_SHARE, passed, sent[0]),
        tokens_left=_refilled(gate.tokens_left, gate.limits.tpm, TOKENS_BURST_SHARE, passed, sent[1]),
    )


def _refilled(left: float | None, limit: int, share: float, passed: float, sent: int) -> float | None:
    """Return what may go; where the limit was not known until now, what `sent` says has gone already."""
    if not limit:
        return None
    burst = _burst(limit, share)
    return burst - sent if left is None else min(burst, left + passed * _rate(limit, share))


def _burst(limit: int, share: float) -> float:
    return max(limit * share, 1.0)


def _rate(limit: int, share: float) -> float:
    """Return what comes in each second: with what may go at once, it is the limit over 60 seconds."""
    return max(limit - _burst(limit, share), limit * share) / 60.0


def _wait_seconds(gate: Gate, tokens: int) -> float:
    waits = [0.0]
    if gate.requests_left is not None and gate.requests_left < 1:
        waits.append((1 - gate.requests_left) / _rate(gate.limits.rpm, BURST_SHARE))
    if gate.tokens_left is not None:
        # What is larger than a burst goes when the bucket is full, and leaves a debt.
        needed = min(tokens, _burst(gate.limits.tpm, TOKENS_BURST_SHARE))
        waits.append((needed - gate.tokens_left) / _rate(gate.limits.tpm, TOKENS_BURST_SHARE))
    return max(waits)


def _taken(gate: Gate, now: float, tokens: int) -> Gate:
    requests, sent = gate.requests_left, _sent(gate, now)
    return replace(
        gate,
        requests_left=None if requests is None else requests - 1,
        tokens_left=None if gate.tokens_left is None else gate.tokens_left - tokens,
        sent_since=gate.sent_since if any(sent) else now,
        sent_requests=sent[0] + (requests is None),
        sent_tokens=sent[1] + (tokens if gate.tokens_left is None else 0),
    )


def _sent(gate: Gate, now: float) -> tuple[int, int]:
    """Return what went lately while no limit was known: requests and tokens."""
    is_lately = now - gate.sent_since <= LIMIT_WINDOW_SECONDS
    return (gate.sent_requests, gate.sent_tokens) if is_lately else (0, 0)


def _given_back(gate: Gate, tokens: int) -> Gate:
    """Return the gate with tokens that were estimated and not used; fewer than none takes more."""
    if gate.tokens_left is None:
        return replace(gate, sent_tokens=max(gate.sent_tokens - tokens, 0))
    return replace(gate, tokens_left=gate.tokens_left + tokens)


def _least(ours: float | None, theirs: int | None) -> float | None:
    if ours is None or theirs is None:
        return ours
    return min(ours, float(theirs))
