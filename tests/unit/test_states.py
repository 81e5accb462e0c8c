"""The table of legal moves, and that the SQL of the shell makes no other."""

import re
from types import ModuleType

import pytest

from runs import beater, leases
from runs.engine.states import MOVES, OPEN, TERMINAL, Move, RunStatus, legal_moves, sources, target
from runs.journal import nodes, statements
from runs.services import sweep

EACH_STATUS = pytest.mark.parametrize("status", RunStatus)
EACH_MOVE = pytest.mark.parametrize("move", Move)


@EACH_STATUS
@EACH_MOVE
def test_sources_and_legal_moves_tell_the_same(status: RunStatus, move: Move) -> None:
    assert (status.value in sources(move)) == (move in legal_moves(status))


@EACH_MOVE
def test_a_move_leads_somewhere_else(move: Move) -> None:
    assert target(move) in RunStatus
    assert target(move).value not in sources(move)


def test_every_status_is_either_open_or_terminal() -> None:
    assert frozenset(RunStatus) == OPEN | TERMINAL
    assert not OPEN & TERMINAL


@pytest.mark.parametrize("status", sorted(TERMINAL))
def test_a_run_that_has_ended_stays_ended_unless_its_failure_is_retried(status: RunStatus) -> None:
    assert legal_moves(status) == ([Move.RETRY] if status is RunStatus.FAILED else [])


@pytest.mark.parametrize("status", sorted(OPEN))
def test_a_person_can_end_every_open_run(status: RunStatus) -> None:
    assert {Move.CANCEL, Move.EXPIRE} <= set(legal_moves(status))


@pytest.mark.parametrize("move", [Move.RELEASE, Move.SLEEP, Move.WAIT, Move.ASK, Move.SUCCEED, Move.FAIL])
def test_only_the_holder_of_a_lease_makes_the_moves_of_a_worker(move: Move) -> None:
    assert sources(move) == [RunStatus.RUNNING]


def test_a_run_gets_to_a_worker_only_through_the_queue() -> None:
    assert [move for move in Move if target(move) is RunStatus.RUNNING] == [Move.CLAIM]
    assert sources(Move.CLAIM) == [RunStatus.QUEUED]


@EACH_STATUS
def test_no_open_status_is_a_dead_end(status: RunStatus) -> None:
    reached, grown = {status}, True
    while grown:
        following = {target(move) for found in reached for move in legal_moves(found)}
        grown = not following <= reached
        reached |= following
    assert status in TERMINAL or reached >= {RunStatus.SUCCEEDED, RunStatus.FAILED, RunStatus.CANCELLED}


@pytest.mark.parametrize("module", [beater, leases, nodes, statements, sweep], ids=lambda m: m.__name__)
def test_every_statement_of_the_shell_makes_a_legal_move(module: ModuleType) -> None:
    moves = [found for text in _texts(module) if (found := _move_in(text))]
    assert moves, "the module moves runs, or this test no longer finds its statements"
    legal = {(origin.value, there.value) for origins, there in MOVES.values() for origin in origins}
    assert set(moves) <= legal


def _texts(module: ModuleType) -> list[str]:
    found: list[str] = []
    for value in vars(module).values():
        found += [value] if isinstance(value, str) else []
        found += [item for item in value.values() if isinstance(item, str)] if isinstance(value, dict) else []
    return found


def _move_in(sql: str) -> tuple[str, str] | None:
    """Return the status before and after an UPDATE of a run; None when it keeps the status."""
    parts = re.match(r"\s*UPDATE runs_run (?:r )?SET (.*?)\s(?:FROM|WHERE)\s(.*)", sql, re.DOTALL)
    after = parts and re.search(r"\bstatus = '(\w+)'", parts[1])
    if not parts or not after:
        return None
    before = re.search(r"\bstatus = '(\w+)'", parts[2])
    assert before, f"a move that does not say from where: {sql}"
    return before[1], after[1]
