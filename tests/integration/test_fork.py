"""A fork goes another way from any step of a run, repeats what it was told to repeat, and needs its parent no longer."""

from typing import Any

import pytest

from agentops.common.errors import ConflictError, IdempotencyConflictError, InvalidInputError, NotFoundError
from runs.checkpoints.chain import IntegrityError
from runs.checkpoints.diff import diff
from runs.checkpoints.store import rebuild
from runs.checkpoints.verify import verify_run
from runs.models import Branch, Checkpoint, Outcome, Reuse, Run, Step
from runs.selectors.branches import branches_for
from runs.services.advance import advance
from runs.services.fork_plan import ForkRequest
from runs.services.fork_run import fork_run
from runs.services.preview_fork import preview_fork
from tests import ledger
from tests.crash.form import form
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
    assert run.status == "failed"
    assert ledger.entries() == [("mail ada", 1)]
    return run


def a_script(*nodes: Any, **more: Any) -> Run:
    return drive(a_run("test-script", {"steps": [list(node) for node in nodes], **more}))


def test_a_live_fork_begins_with_the_state_and_does_everything_behind_it_again(mailing: Run) -> None:
    ledger.allow_success()
    child = fork(mailing, 10)
    assert (child.status, child.node, child.forked_from_id, child.forked_from_seq) == (
        "queued",
        "send",
        mailing.pk,
        10,
    )
    assert state(child) == state(mailing, 10)
    child = drive(child)
    assert output(child)["sent"] == [{"id": "ada", "applied": True}]
    assert ledger.entries() == [("mail ada", 2)]
    mailing.refresh_from_db()
    assert mailing.status == "failed"


def test_a_live_fork_says_before_that_it_will_send_again(mailing: Run) -> None:
    told = preview_fork(actor_of(mailing), mailing.pk, ForkRequest(seq=10, effect_mode="live"))
    [effect] = told.behind.effects
    assert (effect.tool, effect.args, effect.fate) == ("test.mail", {"to": "ada"}, "again")
    assert effect.key.startswith("idem_")
    told = preview_fork(actor_of(mailing), mailing.pk, ForkRequest(seq=11, effect_mode="live"))
    assert told.behind.n_effects == 0


def test_a_recorded_fork_uses_what_was_recorded(mailing: Run) -> None:
    ledger.allow_success()
    child = drive(fork(mailing, 10, "recorded"))
    assert output(child) == {"seen": "open", "sent": [{"id": "ada", "applied": True}]}
    assert ledger.entries() == [("mail ada", 1)]
    assert marks(child) == [("test.mail", "recorded"), ("test.look", "")]


def test_a_dry_fork_sends_nothing_and_marks_it(mailing: Run) -> None:
    ledger.allow_success()
    child = drive(fork(mailing, 10, "dry"))
    assert output(child)["sent"] == [{"id": "ada", "applied": True}]
    new = drive(fork(mailing, 10, "dry", state_patch=[{"op": "replace", "path": "/to", "value": "bob"}]))
    assert output(new)["sent"] == [{"id": None, "simulated": True}]
    assert marks(new) == [("test.mail", "simulated"), ("test.look", "")]
    assert ledger.entries() == [("mail ada", 1)]


def test_a_patched_state_changes_what_follows(mailing: Run) -> None:
    ledger.allow_success()
    child = drive(fork(mailing, 10, state_patch=[{"op": "replace", "path": "/to", "value": "bob cyd"}]))
    assert [sent["id"] for sent in output(child)["sent"]] == ["bob", "cyd"]
    assert state(mailing)["to"] == "ada"


@pytest.mark.parametrize(
    ("patch", "told"),
    [
        ([{"op": "replace", "path": "/n", "value": "ten"}], "/n"),
        ([{"op": "remove", "path": "/to"}], "required"),
        ([{"op": "replace", "path": "/nowhere", "value": 1}], "/state_patch/0"),
        ([{"op": "test", "path": "/to", "value": "bob"}], "/state_patch/0"),
        ([{"op": "replace", "path": "", "value": [1]}], "must stay an object"),
    ],
)
def test_a_patch_that_does_not_fit_makes_no_fork(mailing: Run, patch: Any, told: str) -> None:
    with pytest.raises(InvalidInputError, match=told):
        fork(mailing, 10, state_patch=patch)
    assert not Run.objects.filter(forked_from=mailing).exists()


def test_a_new_input_takes_the_place_of_the_old_one_in_the_state(mailing: Run) -> None:
    child = fork(mailing, 10, input={"to": "bob", "extra": 1})
    assert state(child) == {**state(mailing, 10), "to": "bob", "extra": 1}
    assert rebuild(child).state["log"] == [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]


def test_an_edited_output_leads_another_way_and_the_fork_stands_without_its_parent() -> None:
    parent = drive(a_run("test-chooser", {}))
    assert output(parent)["way"] == "low"
    fifth = seq_of(parent, "test.echo", 4)
    child = fork(parent, parent.head_seq - 1, outputs={fifth: 100})
    assert Branch.objects.get(run=child).from_seq == fifth
    child = drive(child)
    assert output(child) == {"way": "high", "seen": [0, 1, 2, 3, 100, 5, 6, 7, 8, 9]}
    assert marks(child)[0] == ("test.echo", "edited")
    before = (state(child), state(child, 0), diff(state(child, 0), state(child)))
    Run.objects.filter(pk=parent.pk).get().delete()
    child.refresh_from_db()
    assert child.forked_from_id is None
    assert (state(child), state(child, 0), diff(state(child, 0), state(child))) == before
    assert verify_run(child).is_clean
    assert Branch.objects.get(run=child).from_run_id == parent.pk
    assert drive(fork(child, 2)).status == "succeeded"


def test_an_edited_output_further_on_is_served_when_its_turn_comes() -> None:
    parent = drive(a_run("test-chooser", {}))
    child = drive(fork(parent, seq_of(parent, "look", 1), outputs={seq_of(parent, "test.echo", 8): 100}))
    assert output(child)["seen"] == [0, 1, 2, 3, 4, 5, 6, 7, 100, 9]
    assert [mark for _, mark in marks(child)].count("edited") == 1


def test_the_second_of_two_equal_calls_can_be_edited() -> None:
    same = ["test.echo", {"value": 1}]
    parent = a_script([same], [same], [same])
    child = drive(fork(parent, 0, outputs={seq_of(parent, "test.echo", 1): "edited"}))
    assert output(child) == [[1], ["edited"], [1]]
    child = drive(fork(parent, seq_of(parent, "work"), outputs={seq_of(parent, "test.echo", 2): "edited"}))
    assert output(child) == [[1], [1], ["edited"]]


def test_a_fork_inside_a_node_keeps_what_came_before_in_it() -> None:
    parent = a_script(
        [["now", {}], ["test.mail", {"to": "a"}], ["test.mail", {"to": "b"}], ["test.look", {}]]
    )
    assert parent.status == "failed"
    child = fork(parent, seq_of(parent, "test.mail", 1))
    assert Step.objects.filter(run=child).count() == 1
    ledger.allow_success()
    child = drive(child)
    assert marks(child) == [("test.mail", "kept"), ("test.mail", ""), ("test.look", "")]
    assert ledger.entries() == [("mail a", 1), ("mail b", 2)]
    assert verify_run(child).is_clean
    with_time = Outcome.objects.get(run=parent, seq=seq_of(parent, "test.mail"))
    assert output(child)[0][0] == with_time.riders[0]


def test_a_new_write_of_a_recorded_fork_waits_for_a_person(mailing: Run) -> None:
    child = fork(mailing, 10, "recorded", state_patch=[{"op": "replace", "path": "/to", "value": "ada bob"}])
    advance(claim(a_worker()))
    child.refresh_from_db()
    assert child.status == "awaiting_approval"
    assert child.waiting_on["kind"] == "permission"
    assert Step.objects.get(run=child, seq=child.waiting_on["seq"]).status == "asked"
    assert ledger.entries() == [("mail ada", 1)]


def test_forks_of_forks_stand_when_all_before_them_are_gone(mailing: Run) -> None:
    ledger.allow_success()
    runs = [mailing]
    for depth in range(3):
        runs.append(drive(fork(runs[-1], 0 if depth else 5, "recorded")))
    assert output(runs[-1])["sent"] == [{"id": "ada", "applied": True}]
    assert ledger.entries() == [("mail ada", 1)]
    for run in runs[:-1]:
        Run.objects.get(pk=run.pk).delete()
    last = runs[-1]
    last.refresh_from_db()
    assert verify_run(last).is_clean
    assert output(drive(fork(last, 0, "recorded")))["sent"] == [{"id": "ada", "applied": True}]
    assert ledger.entries() == [("mail ada", 1)]


def test_what_a_dry_run_made_up_is_no_fact_to_its_forks(mailing: Run) -> None:
    ledger.allow_success()
    dry = drive(fork(mailing, 10, "dry", state_patch=[{"op": "replace", "path": "/to", "value": "bob"}]))
    child = fork(dry, 0, "recorded")
    advance(claim(a_worker()))
    child.refresh_from_db()
    assert child.status == "awaiting_approval"
    assert Reuse.objects.get(run=child, tool="test.mail").status == "made"


@pytest.mark.parametrize(("seq", "error"), [(99, NotFoundError), (1 << 61, NotFoundError)])
def test_a_step_that_is_not_there_names_the_nearest(mailing: Run, seq: int, error: type[Exception]) -> None:
    with pytest.raises(error) as refused:
        fork(mailing, seq)
    assert refused.value.data["nearest"] == mailing.head_seq  # type: ignore[attr-defined]  # an error of ours


def test_behind_the_end_of_a_run_there_is_nothing_to_fork() -> None:
    run = a_script([["test.echo", {"value": 1}]])
    with pytest.raises(InvalidInputError, match="ended with step 1"):
        fork(run, 1)


def test_a_step_that_has_not_ended_cannot_be_forked_from() -> None:
    run = a_run("test-naps", {"run": "r", "seconds": 3600})
    advance(claim(a_worker()))
    run.refresh_from_db()
    for seq in (run.node_seq, seq_of(run, "sleep")):
        with pytest.raises(ConflictError) as refused:
            fork(run, seq)
        assert refused.value.data["nearest"] == 0
    assert fork(run, 0).status == "queued"


def test_a_failed_node_is_forked_from_its_beginning(mailing: Run) -> None:
    child = fork(mailing, mailing.node_seq)
    assert (child.node, state(child)) == ("check", state(mailing))


def test_a_checkpoint_that_is_gone_is_told_and_makes_no_fork(mailing: Run) -> None:
    Checkpoint.objects.filter(run=mailing, seq=5).delete()
    for seq in (5, 8):
        with pytest.raises(IntegrityError):
            fork(mailing, seq)
    assert fork(mailing, 4).status == "queued"


def test_one_key_makes_one_fork(mailing: Run) -> None:
    def asked(seq: int) -> tuple[Run, bool]:
        request = ForkRequest(seq=seq, effect_mode="dry")
        return fork_run(actor=actor_of(mailing), run_id=mailing.pk, request=request, idempotency_key="k")

    first, again = asked(10), asked(10)
    assert (first[1], again[1], first[0].pk) == (True, False, again[0].pk)
    with pytest.raises(IdempotencyConflictError):
        asked(9)


def test_an_output_is_checked_by_its_tool_and_only_actions_have_one(mailing: Run) -> None:
    with pytest.raises(InvalidInputError, match="output of step 12"):
        fork(mailing, 10, outputs={12: {"no": "id"}})
    with pytest.raises(InvalidInputError, match="only actions have outputs"):
        fork(mailing, 10, outputs={5: 1})
    with pytest.raises(InvalidInputError, match="one of live, recorded, dry"):
        fork(mailing, 10, "wet")


@pytest.mark.parametrize("table", ["runs_checkpoint", "runs_reuse", "runs_branch"])
def test_what_a_fork_was_given_cannot_be_changed_in_silence(mailing: Run, table: str) -> None:
    child = fork(mailing, 10, "recorded")
    assert verify_run(child).is_clean
    match table:
        case "runs_checkpoint":
            Checkpoint.objects.filter(run=child, kind="s").update(tip_hash=b"0" * 32)
        case "runs_reuse":
            Reuse.objects.filter(run=child, tool="test.mail").update(body=b'{"id":"x"}', body_codec=0)
        case _:
            Reuse.objects.filter(run=child).delete()
    assert not verify_run(child).is_clean


def test_a_thousand_forks_of_one_step(mailing: Run) -> None:
    before, n_forks = bytes(mailing.head_hash), form(short=50, long=1000)
    children = {fork(mailing, 10, "recorded").pk for _ in range(n_forks)}
    assert Run.objects.filter(pk__in=children, forked_from=mailing).count() == n_forks
    ledger.allow_success()
    first = drive(Run.objects.get(pk=min(children)))
    assert (first.status, ledger.entries()) == ("succeeded", [("mail ada", 1)])
    mailing.refresh_from_db()
    assert bytes(mailing.head_hash) == before
    assert len(branches_for(actor_of(mailing), mailing.pk).forks) <= 100
