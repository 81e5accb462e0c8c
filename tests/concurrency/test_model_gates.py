"""The gate before a model is one for all workers: limits hold between them, and one probe goes."""

from collections import Counter
from uuid import UUID

import pytest

from agentops.common.ids import new_id
from runs.engine.gates import TRIP_FAILURES, Limits, Way
from runs.llm.gate import SharedGate
from runs.models import ModelGate, Provider
from tests.races import at_once
from tests.runs import a_team

pytestmark = pytest.mark.django_db(transaction=True)


def a_gate(limits: Limits) -> SharedGate:
    provider = Provider.objects.create(
        id=new_id(),
        team=a_team(),
        slug="own",
        kind="compatible",
        base_url="http://127.0.0.1:9/v1",
        created_by="test",
    )
    return SharedGate(provider.team_id, provider.pk, "one", limits)


def ways(gate: SharedGate, tokens: int = 10) -> Counter[Way]:
    verdicts = at_once(gate.admit, tokens, 30.0, times=12)
    return Counter(verdict.way for verdict in verdicts)


def test_no_more_go_at_once_than_the_limit_lets_through() -> None:
    gate = a_gate(Limits(rpm=50))
    assert ways(gate) == {Way.GO: 5, Way.WAIT: 7}
    assert ways(gate)[Way.GO] <= 1, "what has come in meanwhile"


def test_tokens_are_counted_once_for_all() -> None:
    assert ways(a_gate(Limits(tpm=4000)), tokens=500) == {Way.GO: 2, Way.WAIT: 10}


def opened(provider_id: UUID) -> None:
    row = ModelGate.objects.get(provider_id=provider_id)
    row.state["open_until"] = 1.0  # long ago
    row.save(update_fields=["state"])


def test_of_many_workers_one_probes_when_the_time_is_over() -> None:
    gate = a_gate(Limits())
    for _ in range(TRIP_FAILURES):
        gate.failed("no answer", estimated=0)
    assert ways(gate) == {Way.OPEN: 12}
    opened(gate.provider_id)
    assert ways(gate) == {Way.PROBE: 1, Way.OPEN: 11}
    gate.succeeded({}, estimated=10, actual=10)
    assert ways(gate) == {Way.GO: 12}
