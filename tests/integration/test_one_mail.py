"""A run sent one e-mail at step 11 and failed behind it. However it goes on from step 10, the world gets what was said before."""

import pytest

from runs.models import Run
from runs.services.fork_plan import ForkRequest
from runs.services.preview_fork import preview_fork
from runs.services.preview_rewind import preview_rewind
from runs.services.rewind_run import rewind_run
from tests import ledger
from tests.forking import actor_of, fork, marks
from tests.runs import a_run, drive

pytestmark = pytest.mark.django_db
MAIL = "test.mail"


@pytest.fixture
def failed() -> Run:
    """Steps 1–10 start and think, 11 sends (the mail is 12), 13 fails, and healing from 10 did not help either."""
    ledger.create()
    run = drive(a_run("test-mails-and-climbs", {"fails": 99}))
    assert (run.status, run.branch) == ("failed", 4)
    return run


def mails() -> int:
    return dict(ledger.entries()).get("mail ada", 0)


def fate(run: Run, mode: str) -> list[str]:
    """Return what is said of the mail before a fork is made."""
    request = ForkRequest(seq=10, effect_mode=mode, reason="", has_input=False)
    return [
        effect.fate
        for effect in preview_fork(actor_of(run), run.pk, request).behind.effects
        if effect.tool == MAIL
    ]


def test_healed_from_10_it_is_one_mail(failed: Run) -> None:
    assert [mark for name, mark in marks(failed) if name == MAIL] == [
        "",
        "inherited",
        "inherited",
        "inherited",
    ]
    assert mails() == 1


def test_rewound_to_10_it_is_one_mail_and_said_so_before(failed: Run) -> None:
    told = preview_rewind(actor_of(failed), failed.pk, 10).behind.effects
    assert {effect.fate for effect in told if effect.tool == MAIL} == {"served"}
    rewind_run(actor=actor_of(failed), run_id=failed.pk, seq=10)
    drive(failed)
    assert mails() == 1


@pytest.mark.parametrize(
    ("mode", "said", "n_mails", "mark"),
    [("recorded", "served", 1, "recorded"), ("live", "again", 2, ""), ("dry", "simulated", 1, "simulated")],
)
def test_forked_from_10(failed: Run, mode: str, said: str, n_mails: int, mark: str) -> None:
    assert fate(failed, mode) == [said]
    other = drive(fork(failed, 10, mode))
    assert mails() == n_mails
    assert next(it for name, it in marks(other) if name == MAIL) == mark


def test_a_dry_fork_that_ends_well_marks_what_it_did_not_do(failed: Run) -> None:
    other = drive(fork(failed, 10, "dry", state_patch=[{"op": "replace", "path": "/fails", "value": 0}]))
    assert (other.status, mails()) == ("succeeded", 1)
    assert (MAIL, "simulated") in marks(other)
