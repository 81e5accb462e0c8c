"""Laws of approval rules and of quorums, and a desk that is played at random."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from agentops.common.canonical import digest
from approvals.engine.facts import Facts
from approvals.engine.rules import RANKS, Rule, judge
from approvals.engine.stages import NOBODY, Person, Room, Stage, is_met, standing

TOOLS = st.sampled_from(["payment.refund", "email.send", "db.execute", "report.publish"])
WHENS = st.fixed_dictionaries({}, optional={
    "tools": st.lists(st.sampled_from(["payment.*", "email.send", "*"]), min_size=1, max_size=2),
    "effects": st.just(["write"]),
    "agents": st.just(["a*"]),
    "args": st.lists(st.fixed_dictionaries({
        "pointer": st.just("/amount"), "op": st.sampled_from([">", "<=", "==", "exists"]), "value": st.integers(0, 9),
    }), min_size=1, max_size=1),
    "confidence_below": st.sampled_from([0.5, 0.9]),
})  # fmt: skip
STAGES = st.lists(st.builds(Stage, st.just("k_of_n"), st.integers(1, 3)), min_size=1, max_size=2).map(tuple)
RULES = st.builds(Rule, st.text("abc", min_size=1, max_size=3), st.sampled_from(list(RANKS)), WHENS, STAGES)
FACTS = st.builds(
    Facts, st.sampled_from(["agent", "other"]), TOOLS, st.sampled_from(["read", "write", "destructive"]),
    st.dictionaries(st.sampled_from(["amount", "confidence"]), st.integers(0, 9) | st.text(max_size=2), max_size=2),
)  # fmt: skip


@given(st.lists(RULES, max_size=6), RULES, FACTS, st.sampled_from(["gate", "suggest"]))
def test_one_more_rule_that_asks_or_denies_never_loosens(
    rules: list[Rule], more: Rule, facts: Facts, mode: str
) -> None:
    if more.verdict != "allow":
        assert judge([*rules, more], facts, mode).strictness >= judge(rules, facts, "suggest").strictness


@given(st.lists(RULES, max_size=6), FACTS, st.randoms())
def test_the_order_of_rules_means_nothing(rules: list[Rule], facts: Facts, random: Any) -> None:
    shuffled = list(rules)
    random.shuffle(shuffled)
    assert judge(shuffled, facts, "gate").strictness == judge(rules, facts, "gate").strictness


@given(st.lists(RULES, max_size=6), RULES, FACTS)
def test_an_allow_never_overrides_an_ask_or_a_deny(rules: list[Rule], more: Rule, facts: Facts) -> None:
    before = judge(rules, facts, "suggest")
    if more.verdict == "allow" and before.verdict != "allow":
        assert judge([*rules, more], facts, "suggest").strictness == before.strictness


@given(FACTS)
def test_a_write_that_no_rule_names_asks_in_the_mode_gate(facts: Facts) -> None:
    assert judge([], facts, "gate").verdict == ("ask" if facts.is_write else "allow")
    assert judge([], facts, "suggest").verdict == "allow"


@given(st.sampled_from([float("nan"), "5", None, True, [1]]))
def test_what_cannot_be_compared_counts_against_the_action(amount: Any) -> None:
    facts = Facts("a", "pay", "write", {"amount": amount})
    when = {"args": [{"pointer": "/amount", "op": ">", "value": 100}]}
    if not isinstance(amount, float):
        assert judge([Rule("r", "ask", when)], facts, "suggest").verdict == "ask"
    assert judge([Rule("r", "allow", when)], facts, "gate").verdict == "ask"


def test_sql_is_read_past_comments_and_texts() -> None:
    def verbs(sql: str) -> frozenset[str]:
        return Facts("a", "db.execute", "write", {"sql": sql}).sql_verbs

    assert verbs("WITH gone AS (DELETE FROM t RETURNING *) SELECT * FROM gone") == {"DELETE", "SELECT"}
    assert verbs("select 'DROP TABLE t' -- DELETE\n") == {"SELECT"}
    assert verbs("SELECT 1; /* x */ dRoP TABLE t") == {"SELECT", "DROP"}


def test_data_is_recognised_by_its_shape() -> None:
    def classes(text: str) -> frozenset[str]:
        return Facts("a", "email.send", "write", {"body": text}).data_classes

    assert classes("card 4111 1111 1111 1111") == {"payment"}
    assert "payment" not in classes("order 4111 1111 1111 1112")
    assert classes("to ada@example.org") == {"personal"}
    assert classes("the patient's diagnosis") == {"health"}
    assert classes("-----BEGIN RSA PRIVATE KEY") == {"secret"}
    assert classes("hello") == frozenset()


class Desk(RuleBasedStateMachine):
    """People approve, edit, reject, come and go at random; a model beside it counts who really approved what."""

    def __init__(self) -> None:
        super().__init__()
        self.stage = Stage("k_of_n", 2)
        self.seats = set(range(1, 6))
        self.initiator = 1
        self.digest = digest(0)
        self.votes: list[tuple[int, int, bytes]] = []
        self.stand_ins: dict[int, frozenset[int]] = {}
        self.status = "pending"
        self.executed: set[int] | None = None

    def room(self) -> Room:
        voted = frozenset((voter, seat) for voter, seat, seen in self.votes if seen == self.digest)
        return Room(frozenset(self.seats), self.initiator, self.stand_ins, voted)

    def vote(self, user: int, *, is_program: bool) -> bool:
        found = standing(self.stage, self.room(), Person(user, is_program=is_program))
        if self.status != "pending" or not found.may:
            return False
        assert found.seat is not None
        self.votes.append((user, found.seat, self.digest))
        if is_met(self.stage, self.room()):
            self.status = "approved"
        return True

    @rule(user=st.integers(0, 7), is_program=st.booleans())
    def approve(self, user: int, *, is_program: bool) -> None:
        if self.vote(user, is_program=is_program):
            assert not is_program
            assert user not in (self.initiator, NOBODY)

    @rule(user=st.integers(1, 7), value=st.integers(0, 3))
    def edit(self, user: int, value: int) -> None:
        if self.status == "pending" and standing(self.stage, self.room(), Person(user)).may:
            self.digest = digest(value)
            self.vote(user, is_program=False)

    @rule(user=st.integers(1, 7))
    def reject(self, user: int) -> None:
        if self.status == "pending" and standing(self.stage, self.room(), Person(user)).may:
            self.status = "rejected"

    @rule(away=st.integers(1, 7), delegate=st.integers(1, 7))
    def stand_in(self, away: int, delegate: int) -> None:
        if away != delegate:
            self.stand_ins = {delegate: frozenset({away})}

    @rule(user=st.integers(1, 7))
    def leave(self, user: int) -> None:
        self.seats.discard(user)

    @rule(user=st.integers(1, 7))
    def join(self, user: int) -> None:
        self.seats.add(user)

    @precondition(lambda self: self.status == "approved" and self.executed is None)
    @rule(value=st.none() | st.integers(0, 3))
    def execute(self, value: int | None) -> None:
        """Run with the final arguments, or try to with others; the votes are counted anew right before."""
        wanted = self.digest if value is None else digest(value)
        if wanted == self.digest and is_met(self.stage, self.room()):
            self.executed = {voter for voter, _, seen in self.votes if seen == wanted}

    @invariant()
    def nothing_runs_without_two_distinct_approvals_of_the_final_arguments(self) -> None:
        if self.executed is not None:
            assert len(self.executed - {self.initiator, NOBODY}) >= 2

    @invariant()
    def a_rejection_stays(self) -> None:
        if self.status == "rejected":
            assert self.executed is None


TestDesk = Desk.TestCase
