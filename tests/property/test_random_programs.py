"""Random programs under random trouble do exactly what they should: the world, the state and the chain say so.

PROGRAM_SEED=1234 pytest tests/property/test_random_programs.py      # one program again
PROGRAMS=20000 pytest tests/property/test_random_programs.py         # many more
"""

import os
import random
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import psycopg
import pytest
from django.test import override_settings

from agentops.accounts.roles import Actor, Scope
from runs import claims
from runs.checkpoints.store import rebuild
from runs.checkpoints.verify import verify_run
from runs.engine.frozen import thaw
from runs.journal import statements
from runs.journal.fence import execute
from runs.models import Attempt, Checkpoint, Intent, LogLine, Step
from runs.services.advance import advance
from runs.services.resolve_step import resolve_step
from runs.services.resume_run import resume_run
from runs.services.sweep import requeue_orphans, wake_due
from tests.crash.without import unfenced
from tests.property.plans import Plan, Prediction, a_plan, predict
from tests.property.trouble import Trouble
from tests.property.world import world
from tests.runs import a_run, a_worker, make_due

pytestmark = pytest.mark.django_db(transaction=True)

PARTS = 5  # so that several processes share the programs
N_PROGRAMS = int(os.environ.get("PROGRAMS", "500"))
MAX_TURNS = 600
HURRY = (
    "UPDATE runs_intent SET deadline_at = now() - interval '1 s' WHERE run_id = %(id)s AND settled_at IS NULL"
)


class Case:
    """One random program, and the trouble that it meets; the same seed makes the same case."""

    def __init__(self, seed: int) -> None:
        self.seed, self.chance = seed, random.Random(seed)
        self.plan: Plan = a_plan(self.chance)
        self.not_run: set[str] = set()
        world.reset()
        self.run = a_run("test-plans", {"plan": self.plan})
        self.trouble = Trouble(
            self.run.pk,
            self.chance,
            budget=self.chance.choice((0, 2, 4, 8, 16)),
            rate=self.chance.choice((0.05, 0.2, 0.4)),
        )
        self.slice_steps = self.chance.choice((1, 2, 5, 500))

    def play(self) -> "Case":
        """Drive the run to its end: claim, wake, resume, answer, and bury those that died."""
        conf = {
            "slice_steps": self.slice_steps,
            "poison_losses": 10_000,
            "state_cache_runs": self.chance.choice((0, 8)),
        }
        with override_settings(AGENTOPS=conf):
            for _ in range(MAX_TURNS):
                self.run.refresh_from_db()
                if self.run.ended_at is not None:
                    return self
                getattr(self, f"_{self.run.status}")()
        raise AssertionError(f"the run is still {self.run.status}: {self}")

    def _queued(self) -> None:
        worker_id = a_worker()
        with self.trouble.brewing():
            try:
                for claimed in claims.claim(worker_id=worker_id, queue="default", limit=1):
                    advance(claimed)
            except BaseException as error:
                if not self.trouble.is_dead and not isinstance(error, psycopg.OperationalError):
                    raise
        if self.trouble.is_dead:
            self.trouble.is_dead = False
            self.trouble.bury(worker_id, self.chance.choice(("its process ended", "missed its beats")))

    def _running(self) -> None:
        """The claim's answer was lost, so nobody executes the run."""
        execute("UPDATE runs_worker SET dead_at = now() WHERE dead_at IS NULL", {})
        requeue_orphans()

    def _sleeping(self) -> None:
        make_due(self.run)
        execute(HURRY, {"id": self.run.pk})
        wake_due()

    def _paused(self) -> None:
        resume_run(actor=self._person(), run_id=self.run.pk)

    def _awaiting_approval(self) -> None:
        """Answer from the world, as a person does who has looked."""
        step = Step.objects.get(run=self.run, status="unknown")
        entry = step.summary
        answer: dict[str, Any] = {"outcome": "run_again"}
        if world.applied[entry]:
            answer = {"outcome": "ran", "output": world.answers[entry]}
        elif self.chance.random() < 0.3 and not self.plan[int(entry.split(".")[0])]["raises"]:
            self.not_run.add(entry)
            answer = {"outcome": "did_not_run"}
        resolve_step(
            actor=self._person(),
            run_id=self.run.pk,
            seq=step.seq,
            reason="",
            version=self.run.epoch,
            **answer,
        )

    def _person(self) -> Actor:
        return Actor(self.run.team_id, None, "Ada", frozenset(Scope))

    def results(self) -> list[list[Any]]:
        return [thaw(part) for part in rebuild(self.run).state.get("results", [])]

    def expected(self) -> Prediction:
        return predict(self.plan, self.results(), self.not_run)

    def __str__(self) -> str:
        return (
            f"PROGRAM_SEED={self.seed}\nplan: {self.plan}\ntrouble: {self.trouble.log}\nworld: {dict(world.applied)}\n"
            f"said not to have run: {self.not_run}\nrun: {self.run.status} {self.run.error}"
        )


def check(case: Case) -> None:
    """Compare what came of it with what had to."""
    run, expected = case.run, case.expected()
    assert run.status == expected.status, str(case)
    assert not expected.code or run.error["code"] == expected.code, str(case)
    assert case.results() == expected.results, str(case)
    assert dict(world.applied) == dict.fromkeys(expected.ledger, 1), str(case)
    assert verify_run(run).failures == [], str(case)
    check_rows(case, expected)


def check_rows(case: Case, expected: Prediction) -> None:
    run = case.run
    nodes = Step.objects.filter(run=run, kind="node")
    assert (
        nodes.filter(status="succeeded").count()
        == Checkpoint.objects.filter(run=run, kind="d").count()
        == len(expected.results)
    ), str(case)
    assert not Step.objects.filter(run=run, status__in=["running", "unknown"]).exists(), str(case)
    assert not Intent.objects.filter(run=run, settled_at=None).exists(), str(case)
    tries = Attempt.objects.filter(run=run, error_code="RuntimeError", message__startswith="attempt ")
    assert tries.count() == expected.n_attempts, str(case)
    lines = [
        line
        for line in LogLine.objects.filter(run=run).values_list("message", flat=True)
        if not case.plan[int(line.split(".")[0])]["raises"]
    ]
    assert len(lines) == len(set(lines)), str(case)


def seeds() -> Sequence[int]:
    given = os.environ.get("PROGRAM_SEED")
    return [int(given)] if given else range(N_PROGRAMS)


def check_all(seeds: Iterable[int]) -> None:
    for seed in seeds:
        check(Case(seed).play())


@pytest.mark.parametrize("part", range(PARTS))
def test_whatever_happens_the_world_the_state_and_the_chain_are_as_predicted(part: int) -> None:
    check_all(seeds()[part::PARTS])


@pytest.fixture
def _unfenced(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Take the epoch out of every commit."""
    for name, bare in unfenced(statements.GUARDS).items():
        monkeypatch.setitem(statements.GUARDS, name, bare)
    statements.statement.cache_clear()
    yield
    statements.statement.cache_clear()


@pytest.mark.usefixtures("_unfenced")
def test_control_without_the_fence_the_prediction_fails() -> None:
    with pytest.raises(AssertionError):
        check_all(range(100))
