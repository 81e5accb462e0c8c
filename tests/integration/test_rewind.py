"""A rewound run goes on from an earlier step of its own, and never does twice what the world has already seen."""

from typing import Any

import pytest

from agentops.accounts.roles import Actor, Scope
from agentops.common.errors import (
    ConflictError,
    IllegalMoveError,
    InvalidInputError,
    NotAllowedError,
    NotFoundError,
)
from agentops.common.ids import new_id
from runs.checkpoints.store import rebuild
from runs.checkpoints.verify import verify_run
from runs.journal.fence import execute
from runs.models import Branch, Intent, Reuse, Run, Step, Wait
from runs.services.advance import advance
from runs.services.cancel_run import cancel_run
from runs.services.pause_run import pause_run
from runs.services.resolve_step import resolve_step
from runs.services.retry_run import retry_run
from runs.services.rewind_run import rewind_run
from runs.services.send_signal import send_signal
from tests import ledger
from tests.forking import actor_of, fork, marks, seq_of
from tests.runs import a_run, a_worker, claim, drive, output, state

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _ledger() -> None:
    ledger.create()


@pytest.fixture
def mailing() -> Run:
    """A run that thought ten times (1–10), sent one e-mail (12, in node 11), and failed at the next look (14)."""
    run = drive(a_run("test-mailing", {"to": "ada"}))
    assert (run.status, run.head_seq, ledger.entries()) == ("failed", 11, [("mail ada", 1)])
    return run


def rewind(run: Run, seq: int) -> Run:
    return rewind_run(actor=actor_of(run), run_id=run.pk, seq=seq, reason="once more")


def a_script(*nodes: Any, **more: Any) -> Run:
    return drive(a_run("test-script", {"steps": [list(node) for node in nodes], **more}))


def asked(run: Run) -> Run:
    advance(claim(a_worker()))
    run.refresh_from_db()
    assert (run.status, (run.waiting_on or {}).get("kind")) == ("awaiting_approval", "permission")
    return run


def resolve(run: Run, outcome: Any, **more: Any) -> Run:
    seq = run.waiting_on["seq"]
    return resolve_step(
        actor=actor_of(run), run_id=run.pk, seq=seq, outcome=outcome, reason="seen", version=run.epoch, **more
    )


def test_an_e_mail_that_was_sent_is_not_sent_again(mailing: Run) -> None:
    ledger.allow_success()
    run = rewind(mailing, 10)
    assert (run.status, run.branch, run.head_seq, run.node, run.error) == ("queued", 2, 10, "send", None)
    assert run.epoch == mailing.epoch + 1
    run = drive(run)
    assert output(run) == {"seen": "open", "sent": [{"id": "ada", "applied": True}]}
    assert (ledger.entries(), ledger.n_asked()) == ([("mail ada", 1)], 1)
    assert ("test.mail", "inherited") in marks(run)
    assert verify_run(run).is_clean


def test_both_branches_stay_and_every_state_of_them_can_be_rebuilt(mailing: Run) -> None:
    before = [state(mailing, seq) for seq in range(12)]
    ledger.allow_success()
    run = drive(rewind(mailing, 4))
    assert [state(run, seq) for seq in range(12)] == before
    assert state(run)["n"] == 10
    assert rebuild(run).seq == run.head_seq
    row = Branch.objects.get(run=run)
    assert (row.number, row.parent_number, row.cause, row.checkpoint_seq, row.left_head_seq) == (
        2,
        1,
        "rewind",
        4,
        11,
    )
    assert (row.reason, row.by, row.node) == ("once more", "Ada", "think")
    assert verify_run(run).is_clean


def test_going_back_again_and_again_still_sends_once(mailing: Run) -> None:
    for seq in (10, 0, 10, 5, 3):
        run = drive(rewind(mailing, seq))
        assert run.status == "failed"
    ledger.allow_success()
    run = drive(rewind(run, run.head_seq))
    assert output(run)["sent"] == [{"id": "ada", "applied": True}]
    assert (ledger.entries(), ledger.n_asked()) == ([("mail ada", 1)], 1)
    assert run.branch == 7
    assert verify_run(run).is_clean


def test_a_chain_of_more_than_one_segment_goes_on_across_branches() -> None:
    run = drive(a_run("test-steps", {"n": 120}))
    run = drive(rewind(run, 80))
    assert state(run)["done"] == 120
    run = drive(rewind(run, 30))
    assert state(run)["done"] == 120
    assert [state(run, seq)["done"] for seq in (29, 80, 119)] == [29, 80, 119]
    assert verify_run(run).is_clean


def test_a_different_write_to_a_tool_that_was_used_asks_a_person() -> None:
    nodes = [["test.echo", {"value": 1}]], [["test.mail", {"to": "a"}]], [["test.look", {}]]
    run = a_script(*nodes)
    run = rewind(run, 1)
    execute(
        "UPDATE runs_reuse SET request_hash = %(h)s WHERE run_id = %(id)s", {"h": b"0" * 32, "id": run.pk}
    )
    run = asked(run)
    assert "other arguments" in run.waiting_on["text"]
    assert ledger.entries() == [("mail a", 1)]
    assert Intent.objects.get(run=run, seq=run.waiting_on["seq"]).calls == 0


def a_new_write() -> Run:
    """Return a rewound run that asks to mail somebody else than before."""
    parent = drive(a_run("test-mailing", {"to": "ada"}))
    run = drive(fork(parent, 0, "live"))
    assert ledger.entries() == [("mail ada", 2)]
    run = rewind(run, 10)
    changed = {"to": "bob"}
    return asked(_with_state(run, changed))


def _with_state(run: Run, changed: dict[str, Any]) -> Run:
    """Let the next request of the run be another one, as a change of the code would."""
    from agentops.common.canonical import digest

    old, new = (digest(["tool", "test.mail", {"to": to}]) for to in ("ada", changed["to"]))
    Reuse.objects.filter(run=run, branch=run.branch, request_hash=old).update(request_hash=new)
    return run


@pytest.mark.parametrize(
    ("answer", "more", "applied"), [("allow", {}, 3), ("refuse", {}, 2), ("ran", {"output": {"id": "x"}}, 2)]
)
def test_a_person_says_whether_a_write_may_be_made(answer: str, more: dict[str, Any], applied: int) -> None:
    run = a_new_write()
    ledger.allow_success()
    run = drive(resolve(run, answer, **more))
    assert ledger.entries() == [("mail ada", applied)]
    if answer == "refuse":
        assert run.error["message"].startswith("test.mail failed after 1 attempt: a person refused it")
    else:
        assert run.status == "succeeded"


def test_answers_to_another_question_are_refused() -> None:
    run = a_new_write()
    with pytest.raises(InvalidInputError, match="allow, refuse, ran"):
        resolve(run, "run_again")
    with pytest.raises(InvalidInputError, match="required"):
        resolve(run, "ran", output={})
    run = resolve(run, "refuse")
    with pytest.raises(IllegalMoveError):
        resolve_step(actor=actor_of(run), run_id=run.pk, seq=1, outcome="allow", reason="", version=run.epoch)


def test_a_question_outlives_a_pause_and_is_asked_again_when_another_worker_takes_the_run() -> None:
    run = a_new_write()
    execute("UPDATE runs_run SET status = 'queued', waiting_on = NULL WHERE id = %(id)s", {"id": run.pk})
    run = asked(run)
    assert ledger.n_asked() == 2
    run = cancel_run(actor=actor_of(run), run_id=run.pk)
    assert Step.objects.filter(run=run, status="asked").count() == 0


def test_a_write_that_failed_is_tried_under_the_key_it_had() -> None:
    run = a_script([["test.shaky", {"to": "a"}]])
    assert (run.status, ledger.entries()) == ("failed", [("shaky a", 1)])
    ledger.allow_success()
    run = drive(rewind(run, 0))
    assert output(run) == [[{"applied": False}]]
    assert (ledger.entries(), ledger.n_asked()) == ([("shaky a", 1)], 2)
    run = drive(rewind(run, 0))
    assert ledger.n_asked() == 2


def test_a_write_that_may_have_happened_is_asked_about_and_not_repeated() -> None:
    run = a_run("test-script", {"steps": [[["test.letter", {"to": "a", "lost": True}]]]})
    advance(claim(a_worker()))
    run.refresh_from_db()
    assert run.status == "awaiting_approval"
    run = asked(rewind(run, 0))
    assert "Nobody knows" in run.waiting_on["text"]
    assert ledger.n_asked() == 1
    assert output(drive(resolve(run, "ran", output={"ok": 1}))) == [[{"ok": 1}]]


def test_a_new_write_behind_the_old_ones_is_simply_made() -> None:
    run = a_script([["test.mail", {"to": "a"}]], [["test.look", {}]], [["test.mail", {"to": "b"}]])
    ledger.allow_success()
    run = drive(rewind(run, 0))
    assert run.status == "succeeded"
    assert ledger.entries() == [("mail a", 1), ("mail b", 1)]
    assert marks(run)[-3:] == [("test.mail", "inherited"), ("test.look", ""), ("test.mail", "")]


def test_equal_writes_are_counted() -> None:
    letter = ["test.letter", {"to": "a"}]
    run = a_script([letter], [letter], [["test.look", {}]], [letter])
    assert ledger.n_asked() == 2
    ledger.allow_success()
    run = drive(rewind(run, seq_of(run, "work", 0)))
    assert run.status == "succeeded"
    assert ledger.n_asked() == 3
    run = drive(rewind(run, 0))
    assert ledger.n_asked() == 3


def test_inside_a_node_what_came_before_is_kept() -> None:
    run = a_script(
        [["now", {}], ["test.letter", {"to": "a"}], ["test.letter", {"to": "b"}], ["test.look", {}]]
    )
    ledger.allow_success()
    run = drive(rewind(run, seq_of(run, "test.letter", 1)))
    assert run.status == "succeeded"
    assert marks(run)[-3:] == [("test.letter", "kept"), ("test.letter", "inherited"), ("test.look", "")]
    assert ledger.n_asked() == 2
    run = drive(rewind(run, 0))
    assert (run.status, ledger.n_asked()) == ("succeeded", 2)
    assert verify_run(run).is_clean


def test_a_write_of_the_path_that_was_kept_does_not_count_as_one_that_is_left() -> None:
    letters = [
        [["test.letter", {"to": to}] for to in "ab"],
        [["test.look", {}]],
        [["test.letter", {"to": "a"}]],
    ]
    run = a_script(*letters)
    run = drive(rewind(run, seq_of(run, "test.letter", 1)))
    second_node = seq_of(run, "work", 2)
    ledger.allow_success()
    run = drive(rewind(run, second_node))
    assert run.status == "succeeded"
    assert [entry for entry, _ in ledger.entries()] == ["letter a", "letter b"]
    assert ledger.n_asked() == 3


def test_a_node_that_fails_and_is_retried_on_a_branch_keeps_what_it_inherited() -> None:
    run = a_script([["test.letter", {"to": "a"}], ["test.look", {}]])
    run = drive(rewind(run, 0))
    assert (run.status, ledger.n_asked()) == ("failed", 1)
    ledger.allow_success()
    run = drive(retry_run(actor=actor_of(run), run_id=run.pk))
    assert (run.status, ledger.n_asked()) == ("succeeded", 1)


def test_a_recorded_fork_that_is_rewound_stays_careful(mailing: Run) -> None:
    ledger.allow_success()
    child = drive(fork(mailing, 5, "recorded"))
    child = drive(rewind(child, 0))
    assert (child.status, child.effect_mode, ledger.n_asked()) == ("succeeded", "recorded", 1)
    assert verify_run(child).is_clean


def test_waits_die_and_the_open_steps_with_them() -> None:
    run = a_run("test-naps", {"run": "r", "seconds": 3600})
    advance(claim(a_worker()))
    run.refresh_from_db()
    run = rewind(run, 0)
    assert Step.objects.get(run=run, kind="wait").status == "cancelled"
    assert drive(run).status == "succeeded"
    assert ledger.entries() == [("r:before", 1)]


@pytest.mark.parametrize("verb", [pause_run, cancel_run])
def test_a_paused_or_ended_run_may_be_rewound(verb: Any) -> None:
    run = a_run("test-naps", {"run": "r", "seconds": 3600})
    advance(claim(a_worker()))
    run = verb(actor=actor_of(run), run_id=run.pk)
    assert drive(rewind(run, 0)).status == "succeeded"
    assert drive(rewind(run, 0)).status == "succeeded"
    assert ledger.entries() == [("r:before", 1)]


def test_the_end_of_a_rewound_run_is_sealed_anew_when_it_ends_again(mailing: Run) -> None:
    assert mailing.end_mac is not None
    run = rewind(mailing, 10)
    run.refresh_from_db()
    assert (run.end_mac, run.ended_at, run.error) == (None, None, None)
    assert verify_run(run).is_clean
    ledger.allow_success()
    run = drive(run)
    assert run.end_mac is not None
    assert verify_run(run).is_clean
    Run.objects.filter(pk=run.pk).update(output=b'"forged"', output_codec=0)
    assert not verify_run(Run.objects.get(pk=run.pk)).is_clean


def test_a_run_that_somebody_executes_or_is_about_to_must_be_paused_first() -> None:
    run = a_run("test-effects", {"n": 3, "run": "r"})
    with pytest.raises(IllegalMoveError, match="queued"):
        rewind(run, 0)
    claimed = claim(a_worker())
    with pytest.raises(IllegalMoveError) as refused:
        rewind(run, 0)
    assert "pause" in refused.value.data["legal"]
    advance(claimed)
    assert Branch.objects.count() == 0


def test_what_is_not_there_cannot_be_gone_back_to(mailing: Run) -> None:
    with pytest.raises(NotFoundError):
        rewind(mailing, 99)
    with pytest.raises(NotAllowedError):
        rewind_run(
            actor=Actor(mailing.team_id, None, "Vi", frozenset({Scope.READ})), run_id=mailing.pk, seq=0
        )
    with pytest.raises(NotFoundError):
        rewind_run(actor=Actor(new_id(), None, "Bea", frozenset(Scope)), run_id=mailing.pk, seq=0)
    execute("UPDATE runs_run SET health = '{integrity_failed}' WHERE id = %(id)s", {"id": mailing.pk})
    with pytest.raises(IllegalMoveError):
        rewind(mailing, 0)


def test_an_open_step_is_named_with_the_checkpoint_before_it() -> None:
    run = a_run("test-naps", {"run": "r", "seconds": 3600})
    advance(claim(a_worker()))
    run.refresh_from_db()
    with pytest.raises(ConflictError) as refused:
        rewind(run, run.node_seq)
    assert refused.value.data["nearest"] == 0


def test_a_fork_from_an_abandoned_branch_begins_with_its_state(mailing: Run) -> None:
    ledger.allow_success()
    run = drive(rewind(mailing, 4))
    child = fork(run, 9)
    assert state(child) == state(run, 9)
    assert child.node == "think"
    assert drive(fork(run, 11)).status == "succeeded"
    assert drive(fork(run, run.head_seq - 4, "recorded")).status == "succeeded"


def test_a_message_that_was_used_behind_the_point_is_there_again() -> None:
    run = a_run("test-stubborn", {"how": "wait"})
    advance(claim(a_worker()))
    run.refresh_from_db()
    assert run.status == "waiting"
    run = rewind(run, 0)
    assert Wait.objects.get(run=run).closed_as == "dropped"
    send_signal(actor=actor_of(run), run_id=run.pk, name="parent_ended", payload={"n": 1})
    run = drive(run)
    assert output(run) == {"heard": {"n": 1}}
    run = drive(rewind(run, 0))
    assert output(run) == {"heard": {"n": 1}}
    child = drive(fork(run, 0, keep_signals=True))
    assert output(child) == {"heard": {"n": 1}}
    child = fork(run, 0)
    advance(claim(a_worker()))
    child.refresh_from_db()
    assert child.status == "waiting"


def a_family(how: str, child: str, **more: Any) -> Run:
    """Return a run that has started children of the program test-stubborn, advanced once."""
    given = {"inputs": [{"how": child}] * 2} if how == "map" else {"input": {"how": child}}
    run = a_run("test-starts", {"how": how, "agent": "test-stubborn", **given, **more})
    advance(claim(a_worker()))
    run.refresh_from_db()
    return run


def test_runs_that_were_started_are_not_started_again() -> None:
    run = a_family("start", "nap")
    assert run.status == "succeeded"
    Run.objects.filter(parent=run).update(status="sleeping", ended_at=None)
    run = drive(rewind(run, 0))
    assert (run.status, marks(run)[-1]) == ("succeeded", ("test-stubborn", "inherited"))
    assert Run.objects.filter(parent=run).count() == 1


def test_a_started_run_that_ended_without_success_is_started_anew() -> None:
    run = a_family("start", "nap")
    Run.objects.filter(parent=run).update(status="cancelled", ended_at="2026-01-01T00:00:00Z")
    rewind(run, 0)
    advance(claim(a_worker()))
    assert Run.objects.filter(parent=run).count() == 2


@pytest.mark.django_db(transaction=True)
def test_children_that_a_run_waits_for_when_it_goes_back_are_ended_and_started_anew() -> None:
    run = a_family("map", "nap")
    assert run.status == "waiting"
    run = rewind(run, 0)
    first = Run.objects.filter(parent=run)
    assert {child.status for child in first} == {"cancelled"}
    advance(claim(a_worker()))
    assert [child.status for child in first.filter(ended_at=None)] == ["queued", "queued"]


@pytest.mark.parametrize("mode", ["recorded", "dry"])
def test_children_of_a_careful_fork_are_as_careful(mode: str) -> None:
    parent = a_run(
        "test-starts",
        {
            "how": "start",
            "agent": "test-effects",
            "input": {"n": 1, "run": "c"},
            "more": {"on_parent_end": "abandon"},
        },
    )
    child_of = fork(parent, 0, mode)
    cancel_run(actor=actor_of(parent), run_id=parent.pk)
    advance(claim(a_worker()))
    child = Run.objects.get(parent=child_of)
    assert child.effect_mode == mode
    advance(claim(a_worker()))
    child.refresh_from_db()
    assert child.status == ("awaiting_approval" if mode == "recorded" else "succeeded")
    assert ledger.entries() == []
