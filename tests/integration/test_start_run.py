"""The service that starts runs, and the reads that must stay cheap."""

from datetime import UTC, datetime
from typing import Any

import pytest

from agentops.common.errors import ConflictError, InvalidInputError, NotAllowedError, NotFoundError
from runs import programs
from runs.checkpoints.store import rebuild
from runs.models import AgentVersion, Run
from runs.selectors import run_counts_for, run_for, run_list_for, state_at_for, step_for, steps_for
from runs.services.start_run import start_run
from tests.personas import World, actor
from tests.runs import drive
from tests.wire import statements

pytestmark = pytest.mark.django_db


def test_the_input_is_the_first_state(world: World) -> None:
    run, is_new = start_run(actor=actor(world.ada), agent="test-steps", input={"n": 3, "text": "é"})
    assert is_new
    assert (run.head_seq, run.node, run.node_seq) == (0, "step", 1)
    assert rebuild(Run.objects.get(id=run.id)).state == {"n": 3, "text": "é"}


def test_a_start_is_one_insert_and_the_lookup_of_the_version(world: World) -> None:
    ada = actor(world.ada)
    with statements() as executed:
        start_run(actor=ada, agent="test-steps", input={"n": 3})
    assert executed == ["SELECT", "INSERT"]


def test_a_replayed_key_needs_neither_version_nor_schema(world: World) -> None:
    """What was accepted once stays accepted, though the schema has changed since."""
    ada = actor(world.ada)
    first, _ = start_run(actor=ada, agent="test-steps", input={"n": 3}, idempotency_key="k")
    AgentVersion.objects.update(input_schema={"type": "string"})
    again, is_new = start_run(actor=ada, agent="test-steps", input={"n": 3}, idempotency_key="k")
    assert (again.id, is_new) == (first.id, False)


def test_the_same_deadline_in_another_zone_is_the_same_request(world: World) -> None:
    def start(deadline: str) -> bool:
        given = datetime.fromisoformat(deadline)
        return start_run(
            actor=actor(world.ada), agent="test-steps", input={"n": 3}, idempotency_key="k", deadline=given
        )[1]

    assert [start("2030-01-01T12:00:00+02:00"), start("2030-01-01T10:00:00+00:00")] == [True, False]
    assert Run.objects.get().deadline_at == datetime(2030, 1, 1, 10, tzinfo=UTC)


def test_an_agent_whose_code_is_not_installed_is_a_conflict(world: World) -> None:
    AgentVersion.objects.update(program="elsewhere")
    with pytest.raises(ConflictError, match="not installed"):
        start_run(actor=actor(world.ada), agent="test-steps", input={"n": 1})


def test_a_title_that_cannot_be_made_does_not_stop_the_start(world: World, monkeypatch: Any) -> None:
    def broken(self: Any, state: Any) -> str:
        raise KeyError("root")

    monkeypatch.setattr(programs.get_program("test-steps"), "title_of", broken)
    run, _ = start_run(actor=actor(world.ada), agent="test-steps", input={"n": 1})
    assert run.title == "test-steps"


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "http://127.0.0.1:9/schema.json"},
        {"$ref": "file:///etc/passwd"},
        {"type": "nonsense"},
        {"properties": {"n": {"pattern": "("}}},
    ],
)
def test_a_schema_that_is_no_schema_or_points_outside_is_refused(
    world: World, schema: dict[str, Any]
) -> None:
    AgentVersion.objects.update(input_schema=schema)
    with pytest.raises(InvalidInputError, match="schema itself"):
        start_run(actor=actor(world.ada), agent="test-steps", input={"n": 1})


def test_a_pattern_cannot_hold_the_process(world: World) -> None:
    AgentVersion.objects.update(input_schema={"properties": {"n": {"type": "string", "pattern": "^(a+)+$"}}})
    with pytest.raises(InvalidInputError) as raised:
        start_run(actor=actor(world.ada), agent="test-steps", input={"n": "a" * 50_000 + "b"})
    assert len(raised.value.data["errors"][0]["message"]) <= 300


def test_viewers_read_and_do_not_start(world: World) -> None:
    cyd = actor(world.cyd, world.analytical)
    assert run_list_for(cyd).items == []
    with pytest.raises(NotAllowedError):
        start_run(actor=cyd, agent="test-steps", input={"n": 1})


def test_reads_cost_a_fixed_number_of_queries(world: World) -> None:
    ada = actor(world.ada)
    run = drive(start_run(actor=ada, agent="test-steps", input={"n": 30})[0])
    for expected, read in (
        (1, lambda: run_for(ada, run.id)),
        (2, lambda: run_list_for(ada)),
        (1, lambda: run_counts_for(ada)),
        (2, lambda: steps_for(ada, run.id)),
        (7, lambda: step_for(ada, run.id, 30)),
        (3, lambda: state_at_for(ada, run.id, 20)),
    ):
        with statements() as executed:
            read()
        assert len(executed) == expected, executed


def test_counts_tell_how_many_runs_are_in_each_status(world: World) -> None:
    ada = actor(world.ada)
    drive(start_run(actor=ada, agent="test-steps", input={"n": 1})[0])
    start_run(actor=ada, agent="test-steps", input={"n": 1})
    counts = run_counts_for(ada)
    assert (counts["succeeded"], counts["queued"], counts["failed"]) == (1, 1, 0)
    assert not any(run_counts_for(actor(world.bea)).values())


@pytest.mark.parametrize("version", [0, -1, 2, 2**31, 2**63, 2**64, -(2**70)])
def test_a_version_that_does_not_exist_is_not_found_however_large(world: World, version: int) -> None:
    with pytest.raises(NotFoundError, match=r"has no version -?\d+; it has 1"):
        start_run(actor=actor(world.ada), agent="test-steps", input={"n": 1}, version=version)
    start_run(actor=actor(world.ada), agent="test-steps", input={"n": 1}, version=1)


def test_a_start_says_all_that_its_row_says(world: World) -> None:
    """The row is inserted without the model's `save`; what is returned must be what a reader gets."""
    run, _ = start_run(
        actor=actor(world.ada), agent="test-steps", input={"n": 1}, tags=['a"b', "c\\d", "{}"], priority=-7,
        batch_id="%s", title="%(id)s", deadline=datetime(2030, 1, 1, tzinfo=UTC), idempotency_key="k",
    )  # fmt: skip
    stored = Run.objects.get(id=run.id)
    assert {field.name: getattr(run, field.attname) for field in Run._meta.concrete_fields} == {
        field.name: getattr(stored, field.attname) for field in Run._meta.concrete_fields
    }
