"""The ladder, whatever the policy and the failures: upwards, bounded, the same for the same history."""

from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from runs.engine.failures import Failure, World, is_of
from runs.engine.recovery import Decision, Policy, Rule, Taken, decide
from runs.engine.recovery_form import policy_from
from runs.engine.rungs import Rung
from runs.program import heal

NODES = ("a", "b", "c")
REQUESTS = ((), ("00ff",), ("aa", "bb"))
CODES = ("http_timeout", "http_5xx", "KeyError", "rejected")

seconds = st.floats(0, 100)
times = st.integers(1, 3)
rungs = st.one_of(
    st.builds(heal.retry, times=times, after_seconds=seconds, from_node=st.sampled_from(["", *NODES])),
    st.builds(heal.longer_timeout, factor=st.floats(1, 4), max_seconds=st.floats(1, 100), times=times),
    st.builds(heal.other_tool, st.sampled_from(["reads", "writes", "gone"])),
    st.builds(heal.other_model, st.just("small")),
    st.builds(heal.reduced_tools),
    st.builds(heal.cached_read, max_age_seconds=seconds),
    st.builds(heal.skip, value=st.integers()),
    st.builds(heal.skip, to=st.sampled_from(NODES)),
    st.builds(heal.ask, times=times),
)
ladders = st.builds(
    lambda found, is_dead: (*found, *[heal.dead_letter()] * is_dead), st.lists(rungs, min_size=1, max_size=5), st.booleans()
)  # fmt: skip
rules = st.builds(
    Rule, st.lists(st.sampled_from(["timeout", "unavailable", "*", "KeyError"]), min_size=1).map(tuple), ladders,
    st.sampled_from(["", "http.get"]), st.sampled_from(["", "a"]),
)  # fmt: skip
policies = st.builds(Policy, st.lists(rules, max_size=4).map(tuple), st.integers(1, 40))
failures = st.builds(
    Failure, st.sampled_from(NODES), st.sampled_from(CODES), st.just("it broke"), st.sampled_from(["", "http.get"]),
    st.sampled_from(["", "read", "write"]), seconds, st.sampled_from(REQUESTS),
)  # fmt: skip
worlds = st.builds(
    World, st.just({"reads": "read", "writes": "write"}), st.frozensets(st.sampled_from(NODES)), st.none() | seconds
)  # fmt: skip


def climbed(policy: Policy, failures: list[Failure], world: World) -> list[tuple[Failure, Decision]]:
    """Let the same place fail, with one failure after the other, the last for ever, until there is no rung left."""
    history: list[Taken] = []
    found: list[tuple[Failure, Decision]] = []
    for n in range(10_000):
        failure = failures[min(n, len(failures) - 1)]
        decision = decide(policy, failure, history, world)
        if decision is None or decision.is_end:
            return found
        found.append((failure, decision))
        history.append(
            Taken(decision.rule, decision.rung, failure.node, is_here=True, requests=failure.requests)
        )
    raise AssertionError("the ladder has no end")


@given(policies, st.lists(failures, min_size=1, max_size=6), worlds)
def test_a_ladder_is_climbed_upwards_and_ends(policy: Policy, failures: list[Failure], world: World) -> None:
    found = climbed(policy, failures, world)
    assert len(found) <= policy.max_heals
    for rule in range(len(policy.rules)):
        for node in NODES:
            for requests in REQUESTS:
                own = [it for failure, it in found if (failure.node, failure.requests) == (node, requests)]
                taken = [it.rung for it in own if it.rule == rule]
                assert taken == sorted(taken)
                assert all(taken.count(n) <= policy.rules[rule].rungs[n].times for n in taken)


@given(policies, st.lists(failures, min_size=1, max_size=6), worlds)
def test_a_rung_is_only_taken_where_it_is_of_use(
    policy: Policy, failures: list[Failure], world: World
) -> None:
    for failure, it in climbed(policy, failures, world):
        assert is_of(failure.code, *policy.rules[it.rule].on)
        assert failure.code != "rejected", "no rule names it"
        if it.do in ("other_tool", "cached_read") or "skipped" in it.sets:
            assert failure.tool
            assert failure.effect != "write"
        assert f"rung {it.rung + 1} of {it.of}" in it.text
        assert "it broke" in it.text


@given(policies, failures, worlds, st.lists(st.integers(0, 3), max_size=8))
def test_rungs_begun_further_back_cannot_go_round_for_ever(
    policy: Policy, failure: Failure, world: World, moves: list[int]
) -> None:
    """Wherever the run goes between two failures, a rung from an earlier node is taken at most its times in all."""
    history: list[Taken] = []
    for n in range(60):
        decision = decide(policy, failure, history, world)
        if decision is None or decision.is_end:
            break
        is_elsewhere = bool(moves) and moves[n % len(moves)] > 1
        history = [replace(it, is_here=it.is_here and not is_elsewhere) for it in history]
        history.append(Taken(decision.rule, decision.rung, failure.node, not is_elsewhere, failure.requests))
        rung = policy.rules[decision.rule].rungs[decision.rung]
        if rung.from_node:
            same = [it for it in history if (it.rule, it.rung) == (decision.rule, decision.rung)]
            assert len(same) <= rung.times
    assert len(history) <= policy.max_heals


@given(policies, failures, worlds)
def test_the_same_history_leads_to_the_same_rung(policy: Policy, failure: Failure, world: World) -> None:
    assert decide(policy, failure, [], world) == decide(policy, failure, [], world)
    first = decide(policy, failure, [], world)
    if first is not None:
        other = [Taken(first.rule, first.rung, "elsewhere", is_here=True, requests=failure.requests)]
        if len(other) < policy.max_heals:
            assert decide(policy, failure, other, world) == first, (
                "what another node tried counts for nothing"
            )


@given(st.lists(rules, max_size=4).map(tuple))
def test_a_policy_survives_being_stored(found: Any) -> None:
    assert policy_from(Policy(found).as_json(), NODES) == Policy(found)


def test_rungs_are_plain_data() -> None:
    assert heal.retry(after_seconds=5).as_json() == {"do": "retry", "after_seconds": 5, "factor": 2.0}
    assert isinstance(heal.ask(), Rung)
