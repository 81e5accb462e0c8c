"""Programs come and go while runs are under way."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from agentops.accounts.roles import Actor, Scope
from agentops.common.errors import InvalidInputError
from runs import programs
from runs.engine.errors import ProgramError
from runs.models import Agent, AgentVersion, ClockBeat, Run
from runs.selectors.agents import version_for
from runs.services.advance import advance
from runs.services.migrate_run import migrate_run
from runs.services.register_programs import register_programs
from runs.services.resume_run import resume_run
from runs.services.tick import Clock
from tests.runs import a_run, a_team, a_worker, claim, drive, output

pytestmark = pytest.mark.django_db

SOURCE = """
from runs.program import Finish, Goto, Program, node

class Changing(Program):
    name = "test-changing"
    version = "{version}"

    @node(start=True)
    def begin(self, ctx, state):
        ctx.sleep(3600)
        return Goto("{second}")

    @node
    def {second}(self, ctx, state):
        return Finish(output="{says}")
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("AGENTS", str(tmp_path))
    monkeypatch.setattr(programs, "LOOK_AGAIN_SECONDS", 0.0)
    yield tmp_path
    monkeypatch.delenv("AGENTS")
    programs.refresh()


def write(folder: Path, *, version: str = "1", second: str = "end", says: str = "one") -> None:
    (folder / "changing.py").write_text(SOURCE.format(version=version, second=second, says=says))
    time.sleep(0.01)


def a_sleeping_run() -> Run:
    register_programs(team_id=a_team().pk)
    run = a_run("test-changing", {})
    advance(claim(a_worker()))
    run.refresh_from_db()
    assert run.status == "sleeping"
    return run


def actor_of(run: Run) -> Actor:
    return Actor(run.team_id, None, "Ada", frozenset(Scope))


def test_a_changed_file_is_taken_between_slices(folder: Path) -> None:
    write(folder)
    run = a_sleeping_run()
    write(folder, says="two")
    assert output(drive(run)) == "two"


def test_a_run_whose_node_is_gone_is_paused_never_failed(folder: Path) -> None:
    write(folder)
    run = a_sleeping_run()
    Run.objects.filter(pk=run.pk).update(node="end")
    write(folder, second="elsewhere")
    run = drive(run)
    assert (run.status, run.waiting_on["kind"]) == ("paused", "program_changed")
    assert "no longer has a node 'end'" in run.waiting_on["text"]


def test_a_run_whose_version_is_gone_is_paused_and_may_be_migrated(folder: Path) -> None:
    write(folder)
    run = a_sleeping_run()
    write(folder, version="2", says="two")
    run = drive(run)
    assert (run.status, run.waiting_on["kind"]) == ("paused", "program_changed")
    assert "is here in version '2', not '1'" in run.waiting_on["text"]
    register_programs(team_id=run.team_id)
    run = drive(migrate_run(actor=actor_of(run), run_id=run.pk))
    assert (output(run), run.agent_version.program_version) == ("two", "2")


def test_a_paused_run_goes_on_when_its_version_is_back(folder: Path) -> None:
    write(folder)
    run = a_sleeping_run()
    (folder / "changing.py").unlink()
    run = drive(run)
    assert run.status == "paused"
    write(folder)
    assert output(drive(resume_run(actor=actor_of(run), run_id=run.pk))) == "one"


def test_a_run_cannot_be_migrated_to_a_version_without_its_node(folder: Path) -> None:
    write(folder)
    run = a_sleeping_run()
    Run.objects.filter(pk=run.pk).update(node="end")
    write(folder, version="2", second="other")
    run = drive(run)
    register_programs(team_id=run.team_id)
    with pytest.raises(
        InvalidInputError, match="has no node 'end', where this run stands; it has begin, other"
    ):
        migrate_run(actor=actor_of(run), run_id=run.pk)


def test_a_file_that_cannot_be_loaded_leaves_the_program_as_it_was_and_is_shown(folder: Path) -> None:
    write(folder)
    run = a_sleeping_run()
    (folder / "changing.py").write_text("def broken(")
    Clock().tick()
    [problem] = ClockBeat.objects.get().problems.values()
    assert problem.startswith("SyntaxError")
    assert output(drive(run)) == "one"


def test_the_clock_registers_new_programs_with_every_team(folder: Path) -> None:
    team, clock = a_team(), Clock()
    clock.tick()
    write(folder)
    clock.tick()
    assert AgentVersion.objects.filter(team=team, program="test-changing").count() == 1
    write(folder, version="2")
    clock.tick()
    found = AgentVersion.objects.filter(team=team, program="test-changing").order_by("number")
    assert list(found.values_list("number", flat=True)) == [1, 2]


def test_an_agent_that_borrows_a_program_takes_no_version_from_the_one_it_is_named_after() -> None:
    team = a_team()
    borrower = Agent.objects.create(team=team, slug="borrower", title="Borrower")
    AgentVersion.objects.create(
        team=team, agent=borrower, number=1, program="test-steps", program_version="1", source_hash=""
    )
    Agent.objects.filter(team=team, slug="test-steps").delete()
    register_programs(team_id=team.pk)
    assert AgentVersion.objects.filter(team=team, agent__slug="test-steps").count() == 1


def test_an_unknown_program_is_named_with_those_there_are() -> None:
    with pytest.raises(ProgramError, match=r"there is no program 'nobody' here; known are: .*test-steps"):
        programs.get_program("nobody")


def test_a_version_is_read_as_the_program_says_it() -> None:
    actor = Actor(a_team().pk, None, "ada", frozenset(Scope))
    register_programs(team_id=actor.team_id)
    program, found = programs.get_program("site-research"), version_for(actor, "site-research")
    assert found.recovery == program.recovery_policy() != {}
    assert (found.input_schema, found.definition, found.agent.watch) == (program.input_schema, None, {})
