"""A run that waits is a row, and wakes exactly once: events, signals, other runs, people, time."""

from typing import Any

import pytest

from agentops.accounts.roles import Actor, Scope
from agentops.common.errors import (
    ConflictError,
    IdempotencyConflictError,
    IllegalMoveError,
    InvalidInputError,
)
from runs.journal.fence import execute
from runs.models import Event, Run, Signal, Step, Wait
from runs.services.advance import advance
from runs.services.answer_wait import answer_wait
from runs.services.cancel_run import cancel_run
from runs.services.pause_run import pause_run
from runs.services.publish_event import publish_event
from runs.services.resume_run import resume_run
from runs.services.send_signal import send_signal
from runs.services.settle_waits import settle_waits
from runs.services.sweep import wake_due
from runs.services.sweep_waits import drop_waits_of_ended, look_again, match_events, tell_parents
from runs.services.wake_run import cancel_wait, wake_run
from tests import ledger
from tests.runs import a_run, a_team, a_worker, claim, drive, output

pytestmark = pytest.mark.django_db
PAID = {"kind": "event", "name": "paid", "key": "A-1"}


@pytest.fixture(autouse=True)
def _ledger() -> None:
    ledger.create()


def ada(slug: str = "team-a") -> Actor:
    return Actor(a_team(slug).pk, None, "Ada", frozenset(Scope))


def suspended(program: str, state: dict[str, Any]) -> Run:
    """Return a run of which one slice was executed."""
    run = a_run(program, state)
    advance(claim(a_worker()))
    run.refresh_from_db()
    return run


def waiting(*conditions: dict[str, Any], **more: Any) -> Run:
    return suspended("test-waits", {"for": list(conditions), **more})


def publish(name: str = "paid", key: str = "A-1", payload: Any = None, **more: Any) -> int:
    return publish_event(actor=ada(), name=name, key=key, payload=payload or {}, **more)[1]


def send(run: Run, name: str, payload: Any = None, **more: Any) -> int:
    return send_signal(actor=ada(), run_id=run.pk, name=name, payload=payload, **more)[1]


def later(run: Run) -> None:
    """Move what the run waits for into the past, as if the time were over."""
    for sql in (
        "UPDATE runs_run SET wake_at = now() - interval '1 s' WHERE id = %(id)s",
        "UPDATE runs_step SET due_at = now() - interval '1 s' WHERE run_id = %(id)s AND status = 'running'",
    ):
        execute(sql, {"id": run.pk})
    wake_due()


class TestEvents:
    def test_an_event_wakes_the_run_that_waits_for_it(self) -> None:
        run = waiting(PAID)
        assert (run.status, run.waiting_on) == (
            "waiting",
            {"kind": "wait", "seq": 2, "text": "event paid of A-1"},
        )

        assert publish(payload={"amount": 7}) == 1

        came = output(drive(run))
        event = Event.objects.get()
        assert came["payload"] == {"amount": 7}
        assert (came["id"], came["source"], came["index"]) == (str(event.pk), "api", 0)
        assert event.matched_at is not None
        assert Step.objects.get(run=run, seq=2).status == "succeeded"
        assert [count for _, count in ledger.entries()] == [1]

    def test_one_that_came_shortly_before_is_not_lost(self) -> None:
        publish(payload={"amount": 1})
        run = waiting(PAID)
        assert run.status == "queued"
        assert output(drive(run))["payload"] == {"amount": 1}

    def test_the_same_event_is_not_taken_again_by_a_wait_that_looks_back(self) -> None:
        run = waiting(PAID, rounds=2)
        publish(payload={"n": 1})
        advance(claim(a_worker()))
        run.refresh_from_db()
        assert run.status == "waiting"
        publish(payload={"n": 2})
        assert [came["payload"]["n"] for came in output(drive(run))] == [1, 2]

    def test_one_that_came_too_long_before_does_not_count(self) -> None:
        publish()
        execute("UPDATE runs_event SET received_at = now() - interval '61 s'", {})
        assert waiting(PAID).status == "waiting"

    @pytest.mark.parametrize(
        ("name", "key", "payload"),
        [
            ("paid", "A-2", {}),
            ("sent", "A-1", {}),
            ("paid", "A-1", {"to": {"name": "Bea"}}),
            ("paid", "", {}),
        ],
    )
    def test_one_that_does_not_fit_changes_nothing(self, name: str, key: str, payload: Any) -> None:
        run = waiting({**PAID, "match": {"to": {"name": "Ada"}}})
        assert publish(name, key, payload) == 0
        run.refresh_from_db()
        assert run.status == "waiting"

    def test_what_must_match_may_be_a_part_of_the_payload(self) -> None:
        run = waiting({**PAID, "match": {"to": {"name": "Ada"}}})
        assert publish(payload={"n": 1, "to": {"name": "Ada", "age": 36}}) == 1
        assert output(drive(run))["payload"]["n"] == 1

    def test_it_wakes_all_that_wait_for_it_and_no_other_team(self) -> None:
        first, second = waiting(PAID), waiting({"kind": "event", "name": "paid"})
        foreign = a_run("test-waits", {"for": [PAID]}, team=a_team("team-b"))
        advance(claim(a_worker()))
        assert publish() == 2
        assert {run.status for run in Run.objects.filter(pk__in=[first.pk, second.pk])} == {"queued"}
        foreign.refresh_from_db()
        assert foreign.status == "waiting"

    def test_a_second_delivery_changes_nothing_and_a_changed_one_is_refused(self) -> None:
        run = waiting(PAID, rounds=2)
        assert publish(payload={"n": 1}, delivery_id="d-1") == 1
        assert publish(payload={"n": 1}, delivery_id="d-1") == 0
        with pytest.raises(IdempotencyConflictError, match="'d-1' was delivered before with another content"):
            publish(payload={"n": 2}, delivery_id="d-1")
        assert Event.objects.count() == 1
        del run

    def test_what_cannot_be_an_event_is_refused_with_pointers(self) -> None:
        for more, pointer in (
            ({"name": ""}, "/name"),
            ({"key": "k" * 201}, "/key"),
            ({"payload": {"a": float("nan")}}, "/payload/a"),
        ):
            with pytest.raises(InvalidInputError) as caught:
                publish(**more)
            assert caught.value.data["errors"][0]["pointer"] == pointer


class TestSignals:
    def test_signals_are_taken_in_order_and_each_once(self) -> None:
        run = waiting({"kind": "signal", "name": "say"}, rounds=3)
        for n in range(3):
            send(run, "say", {"n": n})
        came = output(drive(run))
        assert [signal["payload"]["n"] for signal in came] == [0, 1, 2]

    def test_one_that_nobody_asks_for_yet_is_kept(self) -> None:
        run = a_run("test-waits", {"for": [{"kind": "signal", "name": "say"}]})
        assert send(run, "say", "hello") == 0
        assert output(drive(run))["payload"] == "hello"

    def test_the_one_that_lost_against_another_condition_is_still_there(self) -> None:
        """Both came while the run was away: it takes the first, and the second is there for the next wait."""
        run = waiting({"kind": "signal", "name": "a"}, {"kind": "signal", "name": "b"}, rounds=2)
        pause_run(actor=ada(), run_id=run.pk)
        send(run, "a", 1)
        send(run, "b", 2)
        resume_run(actor=ada(), run_id=run.pk)
        assert [(came["name"], came["payload"]) for came in output(drive(run))] == [("a", 1), ("b", 2)]

    def test_a_repeated_delivery_is_one_signal(self) -> None:
        run = waiting({"kind": "signal", "name": "say"}, rounds=2)
        assert (send(run, "say", 1, delivery_id="x"), send(run, "say", 1, delivery_id="x")) == (1, 0)
        assert Signal.objects.count() == 1

    def test_a_run_that_has_ended_hears_nothing(self) -> None:
        run = drive(a_run("test-steps", {"n": 1}))
        with pytest.raises(IllegalMoveError, match="has ended"):
            send(run, "say")


class TestSeveral:
    def test_the_first_of_several_wins_and_the_others_are_dropped(self) -> None:
        run = waiting(PAID, {"kind": "signal", "name": "stop"})
        send(run, "stop", "now")
        came = output(drive(run))
        assert (came["index"], came["kind"], came["payload"]) == (1, "signal", "now")
        assert list(Wait.objects.order_by("n").values_list("closed_as", flat=True)) == ["dropped", "signal"]
        assert publish() == 0

    def test_all_of_several_wake_the_run_once_the_last_is_there(self) -> None:
        run = waiting(PAID, {"kind": "signal", "name": "go"}, all=True)
        publish(payload={"n": 1})
        run.refresh_from_db()
        assert run.status == "waiting"
        send(run, "go")
        assert [came["kind"] for came in output(drive(run))] == ["event", "signal"]

    def test_what_had_come_by_the_end_of_the_time_is_told(self) -> None:
        run = waiting({"kind": "signal", "name": "go"}, PAID, all=True)
        publish()
        later(run)
        assert output(drive(run)) == {"late": "nobody answered 'go and paid' in time", "fired": [1]}


class TestTime:
    def test_a_wait_ends_with_its_time(self) -> None:
        run = waiting(PAID)
        later(run)
        assert output(drive(run)) == {"late": "nobody answered 'paid' in time", "fired": []}
        assert publish() == 0

    def test_an_event_that_was_faster_than_the_timer_counts(self) -> None:
        run = waiting(PAID)
        assert publish(payload={"n": 1}) == 1
        execute("UPDATE runs_step SET due_at = now() - interval '1 s' WHERE status = 'running'", {})
        assert output(drive(run))["payload"] == {"n": 1}

    def test_a_person_may_wake_it_now(self) -> None:
        run = waiting(PAID)
        wake_run(actor=ada(), run_id=run.pk)
        assert "late" in output(drive(run))
        nap = suspended("test-naps", {"run": "r", "seconds": 3600})
        while nap.status == "sleeping":
            wake_run(actor=ada(), run_id=nap.pk)
            advance(claim(a_worker()))
            nap.refresh_from_db()
        assert nap.status == "succeeded"
        with pytest.raises(IllegalMoveError, match="nothing to wake it from"):
            wake_run(actor=ada(), run_id=nap.pk)

    def test_a_person_may_cancel_the_wait_and_the_agent_may_go_another_way(self) -> None:
        run = waiting(PAID)
        cancel_wait(actor=ada(), run_id=run.pk)
        assert output(drive(run)) == {
            "failed": "wait_cancelled",
            "message": "paid failed after 1 attempt: Ada cancelled the wait for paid",
        }


class TestPauseAndEnd:
    def test_what_comes_while_it_is_paused_is_there_when_it_is_resumed(self) -> None:
        run = waiting(PAID)
        pause_run(actor=ada(), run_id=run.pk)
        assert publish(payload={"n": 1}) == 1
        run.refresh_from_db()
        assert run.status == "paused"
        assert resume_run(actor=ada(), run_id=run.pk).status in ("waiting", "queued")
        assert output(drive(run))["payload"] == {"n": 1}

    def test_a_run_that_was_cancelled_is_not_woken(self) -> None:
        run = waiting(PAID)
        cancel_run(actor=ada(), run_id=run.pk)
        assert publish() == 0
        assert drop_waits_of_ended() == 1
        assert Wait.objects.get().closed_as == "dropped"


class TestWhatBrokeOff:
    """The clock does again what was cut off between two commits."""

    def test_an_event_whose_publisher_died_is_matched(self) -> None:
        run = waiting(PAID)
        Event.objects.create(team_id=run.team_id, name="paid", key="A-1", payload={}, digest=b"")
        execute("UPDATE runs_event SET received_at = now() + interval '0 s'", {})
        assert match_events() == 0
        execute("UPDATE runs_event SET received_at = now() - interval '3 s'", {})
        execute("UPDATE runs_wait SET since_at = now() - interval '9 s'", {})
        assert match_events() == 1
        assert drive(run).status == "succeeded"

    def test_a_wait_whose_run_died_before_it_looked_is_looked_after(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        publish()
        monkeypatch.setattr("runs.services.action_shell.look_back", lambda _: ())
        run = waiting(PAID)
        assert run.status == "waiting"
        assert look_again() == 0
        execute("UPDATE runs_wait SET created_at = created_at - interval '9 s'", {})
        assert look_again() == 1
        assert drive(run).status == "succeeded"

    def test_a_closed_wait_whose_run_was_not_woken_is_found(self) -> None:
        run = waiting(PAID)
        publish()
        execute("UPDATE runs_run SET status = 'waiting'", {})
        execute("UPDATE runs_wait SET closed_at = now() - interval '9 s'", {})
        look_again()
        assert drive(run).status == "succeeded"

    def test_settling_again_changes_nothing(self) -> None:
        run = waiting(PAID)
        publish()
        drive(run)
        assert settle_waits([run.pk]) == 0


class TestOtherRuns:
    def test_the_end_of_another_run_wakes_the_run_that_waits_for_it(self) -> None:
        other = a_run("test-steps", {"n": 1}, team=a_team())
        execute("UPDATE runs_run SET queue = 'aside'", {})
        run = waiting({"kind": "child", "name": str(other.pk)})
        assert run.status == "waiting"
        Run.objects.filter(pk=other.pk).update(queue="default", parent=run)
        drive(other)
        assert tell_parents() == 1
        came = output(drive(run))
        assert (came["status"], came["output"]) == ("succeeded", {"done": 1})


class TestPeople:
    def answer(self, run: Run, reply: Any, **more: Any) -> Run:
        answer_wait(actor=ada(), run_id=run.pk, seq=2, reply=reply, **more)
        return drive(run)

    def test_a_run_that_asks_waits_for_a_person(self) -> None:
        run = suspended("test-asks", {"args": {"amount": 7}})
        assert (run.status, run.waiting_on) == (
            "awaiting_approval",
            {"kind": "person", "seq": 2, "text": "Pay the bill"},
        )
        assert output(self.answer(run, "approve")) == {"args": {"amount": 7}}

    def test_a_person_may_edit_the_arguments(self) -> None:
        run = suspended("test-asks", {"args": {"amount": 7}})
        assert output(self.answer(run, "edit", args={"amount": 6})) == {"args": {"amount": 6}}

    def test_a_person_may_say_no(self) -> None:
        run = suspended("test-asks", {"args": {"amount": 7}})
        assert output(self.answer(run, "reject", message="too much")) == {"rejected": "too much", "by": "Ada"}

    def test_a_question_takes_what_fits_it(self) -> None:
        run = suspended("test-asks", {"question": "Which?", "choices": ["red", "blue"]})
        with pytest.raises(InvalidInputError, match="must be one of red, blue"):
            self.answer(run, "respond", answer="green")
        with pytest.raises(InvalidInputError, match="takes respond, reject, not 'approve'"):
            self.answer(run, "approve")
        assert output(self.answer(run, "respond", answer="blue")) == {"answer": "blue"}

    def test_an_answer_must_fit_the_schema(self) -> None:
        run = suspended("test-asks", {"question": "How many?", "schema": {"type": "integer"}})
        with pytest.raises(InvalidInputError):
            self.answer(run, "respond", answer="3")
        assert output(self.answer(run, "respond", answer=3)) == {"answer": 3}

    def test_the_second_answer_is_told_who_was_first(self) -> None:
        run = suspended("test-asks", {"args": {}})
        self.answer(run, "approve")
        with pytest.raises(ConflictError, match="Ada has answered this already: approve"):
            self.answer(run, "reject")

    def test_nobody_answered_in_time(self) -> None:
        run = suspended("test-asks", {"args": {}, "on_timeout": "later"})
        later(run)
        assert output(drive(run)) == {"args": "later"}
