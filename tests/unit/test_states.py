"""The table of legal moves, and that the SQL of the shell makes no other."""

import re
from types import ModuleType

import pytest

from runs import beater, leases
from runs.engine.states import MOVES, OPEN, TERMINAL, Move, RunStatus, legal_moves, sources, target
from runs.journal import nodes, statements
from runs.services import kill_run, pause_run, resume_run, retry_run, sweep

EACH_STATUS = pytest.mark.parametrize("status", RunStatus)
SHELL = [beater, leases, nodes, statements, sweep]
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
def test_a_run_that_has_ended_stays_ended_unless_it_is_retried_or_rewound(status: RunStatus) -> None:
    retried = [Move.RETRY] if status is RunStatus.FAILED else []
    assert legal_moves(status) == [*retried, Move.REWIND]


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


@pytest.mark.parametrize("module", SHELL, ids=lambda module: module.__name__)
def test_every_statement_of_the_shell_makes_a_legal_move(module: ModuleType) -> None:
    moves = {move for text in texts(module) for move in moves_in(text)}
    assert moves, "the module moves runs, or this test no longer finds its statements"
    legal = {(origin.value, there.value) for origins, there in MOVES.values() for origin in origins}
    assert moves <= legal


def texts(module: ModuleType) -> list[str]:
    found: list[str] = []
    for value in vars(module).values():
        found += [value] if isinstance(value, str) and "{wanted}" not in value else []
        found += [item for item in value.values() if isinstance(item, str)] if isinstance(value, dict) else []
    return found


def moves_in(sql: str) -> set[tuple[str, str]]:
    """Return each status before and after the UPDATE of a run in `sql`; none when it keeps the status."""
    update = re.search(r"UPDATE runs_run (?:r )?SET\s(.*?)\s(?:FROM|WHERE)\s(.*)", sql, re.DOTALL)
    assigned = update and re.search(r"\bstatus = ('\w+'|CASE .*? END)", update[1], re.DOTALL)
    if not update or not assigned:
        return set()
    after = re.findall(r"(?:^|THEN |ELSE )'(\w+)'", assigned[1])
    assert after, f"a move that does not say where to: {sql}"
    return {(origin, there) for origin in origins_in(update[2], sql) for there in after}


def origins_in(condition: str, sql: str) -> set[str]:
    before = re.search(r"\bstatus = '(\w+)'", condition)
    if before:
        return {before[1]}
    if re.search(r"\bended_at IS NULL", condition):
        return {status.value for status in OPEN}
    listed = re.search(r"\bstatus IN \(([^)]*)\)", condition)
    assert listed, f"a move that does not say from where: {sql}"
    return set(re.findall(r"'(\w+)'", listed[1]))


VERBS = [(kill_run, Move.KILL), (pause_run, Move.PAUSE), (resume_run, Move.RESUME), (retry_run, Move.RETRY)]


@pytest.mark.parametrize(("module", "move"), VERBS, ids=lambda value: getattr(value, "value", None))
def test_a_verb_of_a_person_asks_the_table_where_it_may_begin(module: ModuleType, move: Move) -> None:
    [sql] = [text for text in texts(module) if "UPDATE runs_run" in text]
    assert "status = ANY(%(sources)s)" in sql
    assert f"'{target(move)}'" in sql.partition("WHERE id")[0]
