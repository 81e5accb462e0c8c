"""The gates before models, as all workers share them: one row each, locked while the pure engine decides."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from typing import Any
from uuid import UUID

import orjson

from agentops.common.transactions import transaction
from runs.engine import gates
from runs.engine.gates import Gate, Limits, Verdict
from runs.journal.fence import execute, query
from runs.models import ModelGate

# All that ask a model stand before its one row. Its commit does not wait for the disk: a crash of PostgreSQL then loses what the
# last moment counted, and no more.
_LOCK = (
    "SELECT id, state::text, extract(epoch from clock_timestamp())::float8, set_config('synchronous_commit', 'off', true)"
    " FROM runs_modelgate"
    " WHERE provider_id = %(provider_id)s AND model = %(model)s FOR UPDATE"
)
_NOTE = {
    "error": ", last_error = %(message)s, last_error_at = clock_timestamp()",
    "answer": ", last_answer_at = clock_timestamp()",
    "": "",
}
_WRITE = {
    note: f"UPDATE runs_modelgate SET state = %(state)s::jsonb{more} WHERE id = %(id)s"  # noqa: S608 -- constants
    for note, more in _NOTE.items()
}
_HEADERS = (
    ("x-ratelimit-limit-requests", "x-ratelimit-limit-tokens"),
    ("anthropic-ratelimit-requests-limit", "anthropic-ratelimit-tokens-limit"),
)
_LEFT = (
    ("x-ratelimit-remaining-requests", "x-ratelimit-remaining-tokens"),
    ("anthropic-ratelimit-requests-remaining", "anthropic-ratelimit-tokens-remaining"),
)

Decide = Callable[[Gate, float], tuple[Gate, Verdict | None]]


class SharedGate:
    """The gate of one model. Every method takes the row's lock for about a millisecond.

    `limits` are those that the team knows of; where they are 0, what the provider tells counts.
    """

    def __init__(self, team_id: UUID, provider_id: UUID, model: str, limits: Limits) -> None:
        self.team_id, self.provider_id, self.model, self.limits = team_id, provider_id, model, limits

    def admit(self, tokens: int, timeout_seconds: float) -> Verdict:
        """Return whether a request of about `tokens` may go now; it is counted if so."""
        verdict = self._change(
            lambda gate, now: gates.admit(gate, now, tokens=tokens, timeout_seconds=timeout_seconds)
        )
        assert verdict
        return verdict

    def succeeded(self, headers: Mapping[str, str], *, estimated: int, actual: int) -> None:
        """Settle an answered request, and learn from what came with the answer."""
        self._change(
            lambda gate, now: (
                self._taught(gates.succeeded(gate, estimated=estimated, actual=actual), now, headers),
                None,
            ),
            "answer",
        )

    def failed(self, message: str, *, estimated: int) -> None:
        """Note that the provider did not answer as it should."""
        self._change(lambda gate, now: (gates.failed(gate, now, estimated=estimated), None), "error", message)

    def throttled(
        self, message: str, headers: Mapping[str, str], *, estimated: int, retry_after_seconds: float | None
    ) -> None:
        """Note that the provider asked for patience: nobody asks it before that."""
        self._change(
            lambda gate, now: (
                gates.throttled(
                    self._taught(gate, now, headers), now,
                    estimated=estimated, retry_after_seconds=retry_after_seconds,
                ),
                None,
            ),
            "error", message,
        )  # fmt: skip

    def refused(self, *, estimated: int) -> None:
        """Give back what was counted for a request that the provider refused; it stands as well as before."""
        self._change(lambda gate, _: (gates.succeeded(gate, estimated=estimated, actual=0), None))

    def _change(self, decide: Decide, note: str = "", message: str = "") -> Verdict | None:
        place = {"provider_id": self.provider_id, "model": self.model}
        with transaction():
            rows = query(_LOCK, place)
            if not rows:
                self._make()
                rows = query(_LOCK, place)
            gate, verdict = decide(self._read(rows[0][1]), rows[0][2])
            written = {"id": rows[0][0], "state": orjson.dumps(asdict(gate)).decode()}
            execute(_WRITE[note], written | ({"message": message[:600]} if note == "error" else {}))
        return verdict

    def _make(self) -> None:
        found = ModelGate(team_id=self.team_id, provider_id=self.provider_id, model=self.model)
        ModelGate.objects.bulk_create([found], ignore_conflicts=True)

    def _read(self, text: str) -> Gate:
        gate = gate_of(orjson.loads(text))
        known = Limits(self.limits.rpm or gate.limits.rpm, self.limits.tpm or gate.limits.tpm)
        return replace(gate, limits=known)

    def _taught(self, gate: Gate, now: float, headers: Mapping[str, str]) -> Gate:
        rpm, tpm = _numbers(headers, _HEADERS)
        if rpm is None and tpm is None:
            return gate
        limits = Limits(self.limits.rpm or rpm or 0, self.limits.tpm or tpm or 0)
        requests_left, tokens_left = _numbers(headers, _LEFT)
        return gates.learned(gate, now, limits, requests_left=requests_left, tokens_left=tokens_left)


def gate_of(stored: Mapping[str, Any]) -> Gate:
    """Return the gate that a row holds."""
    known = {name: value for name, value in stored.items() if name != "limits"}
    return Gate(limits=Limits(**stored.get("limits", {})), **known)


def _numbers(headers: Mapping[str, str], names: tuple[tuple[str, str], ...]) -> tuple[int | None, int | None]:
    for requests, tokens in names:
        if requests in headers or tokens in headers:
            return _number(headers.get(requests)), _number(headers.get(tokens))
    return None, None


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and text.isascii() and text.isdigit() and len(text) < 16 else None
