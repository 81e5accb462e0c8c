"""The journal of a node: what is reused, what is done, and what is refused."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest

from agentops.common.types import JsonValue
from runs.engine.errors import NondeterminismError, TooManyActionsError
from runs.engine.journal import Decision, Execute, NodeJournal, Recorded, Request, Reuse, idempotency_key
from runs.engine.tools import Effect, ToolSpec

TEAM, RUN = UUID(int=1), UUID(int=2)


def a_request(name: str = "crm.read", **args: Any) -> Request:
    return Request("tool", name, args)


def a_record(request: Request, ordinal: int, **more: Any) -> Recorded:
    given = {"seq": 10 + ordinal, "status": "succeeded", "output": ordinal, **more}
    return Recorded(ordinal=ordinal, name=request.name, request_hash=request.hash(), **given)


def decide(journal: NodeJournal, request: Request) -> Decision:
    [decision] = journal.decide(request)
    return decision


def a_journal(*recorded: Recorded, max_actions: int = 1000) -> NodeJournal:
    return NodeJournal(recorded, next_seq=20, max_actions=max_actions)


def test_what_is_not_recorded_is_to_be_done_under_the_next_number() -> None:
    journal = a_journal()
    first, second = decide(journal, a_request(n=1)), decide(journal, a_request(n=2))
    assert isinstance(first, Execute)
    assert isinstance(second, Execute)
    assert [(first.seq, first.ordinal), (second.seq, second.ordinal)] == [(20, 0), (21, 1)]
    assert (first.is_begun, first.attempts, journal.next_seq) == (False, 0, 22)


@pytest.mark.parametrize("status", ["succeeded", "failed"])
def test_what_is_recorded_is_reused_in_order(status: str) -> None:
    requests = [a_request(n=1), a_request(n=1)]
    recorded = [a_record(request, ordinal, status=status) for ordinal, request in enumerate(requests)]
    journal = a_journal(*reversed(recorded))
    assert [decide(journal, request) for request in requests] == [Reuse(one) for one in recorded]
    assert journal.next_seq == 20


def test_what_was_begun_goes_on_under_its_own_number() -> None:
    request = a_request(n=1)
    journal = a_journal(a_record(request, 0, status="open", attempts=2, is_due=True))
    decision = decide(journal, request)
    assert isinstance(decision, Execute)
    assert (decision.seq, decision.attempts, decision.is_begun, decision.is_due) == (10, 2, True, True)
    assert journal.next_seq == 20


def test_another_request_than_the_recorded_one_is_named_on_both_sides() -> None:
    journal = a_journal(a_record(a_request(id=1), 0, request_text="crm.read(id='1')"))
    with pytest.raises(NondeterminismError) as caught:
        decide(journal, a_request("crm.write", id=2))
    assert (caught.value.expected, caught.value.received) == ("crm.read(id='1')", "crm.write(id='2')")
    assert "action 0" in str(caught.value)
    assert "fork" in str(caught.value)


def test_the_order_of_arguments_makes_no_difference() -> None:
    journal = a_journal(a_record(a_request(a=1, b=2), 0))
    assert isinstance(decide(journal, a_request(b=2, a=1)), Reuse)


def test_a_node_that_does_too_much_is_told_what_to_do_instead() -> None:
    journal = a_journal(max_actions=2)
    decide(journal, a_request(n=1))
    decide(journal, a_request(n=2))
    with pytest.raises(
        TooManyActionsError, match="at most 2 actions; split the work over several nodes with Goto"
    ):
        decide(journal, a_request(n=3))


def test_time_and_chance_come_from_the_record_where_an_action_followed_them() -> None:
    request = a_request()
    journal = a_journal(a_record(request, 0, riders=["noon", 0.5]))
    fresh: Iterator[JsonValue] = iter(["later", 0.9, "latest"])
    taken = [journal.rider(lambda: next(fresh)) for _ in range(3)]
    assert taken == ["noon", 0.5, "later"]
    decide(journal, request)
    assert journal.rider(lambda: next(fresh)) == 0.9


def test_time_and_chance_are_stored_with_the_action_behind_them() -> None:
    journal = a_journal()
    journal.rider(lambda: "noon")
    first, second = decide(journal, a_request(n=1)), decide(journal, a_request(n=2))
    assert isinstance(first, Execute)
    assert isinstance(second, Execute)
    assert (first.riders, second.riders) == (["noon"], [])


def test_of_actions_side_by_side_each_bears_the_time_and_chance_before_them() -> None:
    requests = [a_request(n=1), a_request(n=2)]
    journal = a_journal()
    journal.rider(lambda: "noon")
    first, second = journal.decide(*requests)
    assert isinstance(first, Execute)
    assert isinstance(second, Execute)
    assert (first.riders, second.riders, first.ordinal, second.ordinal) == (["noon"], ["noon"], 0, 1)
    again = a_journal(a_record(requests[1], 1, riders=second.riders))
    assert again.has_recorded_next
    assert again.rider(lambda: "later") == "noon"
    kinds = [type(decision) for decision in again.decide(*requests)]
    assert (kinds, again.has_recorded_next) == ([Execute, Reuse], False)


def test_gathering_nothing_loses_nothing() -> None:
    journal = a_journal()
    journal.rider(lambda: "noon")
    assert journal.decide() == []
    action = decide(journal, a_request())
    assert isinstance(action, Execute)
    assert action.riders == ["noon"]


def an_action(journal: NodeJournal | None = None, **args: Any) -> Execute:
    decision = decide(journal or a_journal(), a_request("mail.send", **args))
    assert isinstance(decision, Execute)
    return decision


def a_tool(key_template: str = "") -> ToolSpec:
    return ToolSpec("mail.send", Effect.WRITE, lambda call: None, key_template=key_template)


def test_an_idempotency_key_is_the_same_however_often_the_action_is_done() -> None:
    key = idempotency_key(TEAM, RUN, 5, an_action(to="ada"), a_tool())
    assert key == idempotency_key(TEAM, RUN, 5, an_action(to="ada"), a_tool())
    assert key.startswith("idem_")
    assert len(key) == len("idem_") + 32


def test_an_idempotency_key_tells_apart_what_are_two_actions() -> None:
    journal = a_journal()
    first, again = an_action(journal, to="ada"), an_action(journal, to="ada")
    keys = {
        idempotency_key(TEAM, RUN, 5, first, a_tool()),
        idempotency_key(TEAM, RUN, 5, again, a_tool()),
        idempotency_key(TEAM, RUN, 5, an_action(to="bea"), a_tool()),
        idempotency_key(TEAM, RUN, 6, first, a_tool()),
        idempotency_key(TEAM, UUID(int=3), 5, first, a_tool()),
        idempotency_key(UUID(int=3), RUN, 5, first, a_tool()),
    }
    assert len(keys) == 6


def test_a_key_template_says_what_the_action_is_wherever_it_stands() -> None:
    tool = a_tool("{to}:{invoice}")
    here = idempotency_key(TEAM, RUN, 5, an_action(to="ada", invoice=7, text="first wording"), tool)
    there = idempotency_key(TEAM, UUID(int=3), 9, an_action(to="ada", invoice=7, text="second"), tool)
    other = idempotency_key(TEAM, RUN, 5, an_action(to="ada", invoice=8, text="first wording"), tool)
    elsewhere = idempotency_key(UUID(int=4), RUN, 5, an_action(to="ada", invoice=7), tool)
    assert here == there
    assert len({here, other, elsewhere}) == 3


def test_a_key_template_with_a_missing_argument_names_it() -> None:
    with pytest.raises(KeyError, match="the key template needs the argument 'invoice'"):
        idempotency_key(TEAM, RUN, 5, an_action(to="ada"), a_tool("{to}:{invoice}"))


def test_a_node_that_ends_before_it_asked_for_all_that_is_recorded_is_found_out() -> None:
    request = a_request()
    journal = a_journal(a_record(request, 0), a_record(request, 1))
    journal.decide(request)
    with pytest.raises(NondeterminismError, match="nothing more"):
        journal.check_end()
    journal.decide(request)
    journal.check_end()
