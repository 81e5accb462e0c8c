"""Recovery policies: what authors write, what is refused and how it says so, and which errors belong to a class."""

from typing import Any

import pytest

from runs.engine.errors import ProgramError, RecoveryError
from runs.engine.failures import CLASSES, DECIDED, is_of
from runs.engine.recovery_form import policy_from
from runs.program import Context, Finish, Program, heal, node

NODES = ("read", "write")


def rule(*rungs: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"rules": [{"on": ["timeout"], "rungs": list(rungs), **more}]}


RETRY = {"do": "retry", "after_seconds": 1, "factor": 2}


@pytest.mark.parametrize(
    ("given", "pointer", "words"),
    [
        ([], "", "must be an object"),
        ({"rule": []}, "/rule", "there are max_heals, rules"),
        ({"rules": {}}, "/rules", "a list of at most 50"),
        ({"max_heals": 0}, "/max_heals", "a whole number from 1 to 1,000"),
        ({"max_heals": True}, "/max_heals", "a whole number"),
        (rule(RETRY, on=[]), "/rules/0/on", "must name errors"),
        (rule(RETRY, on=["no spaces"]), "/rules/0/on", "must name errors"),
        (rule(), "/rules/0/rungs", "1 to 20 rungs"),
        (rule({"do": "pray"}), "/rules/0/rungs/0/do", "must be one of retry, longer_timeout"),
        (rule({"do": "retry"}), "/rules/0/rungs/0/after_seconds", "is missing"),
        (rule({**RETRY, "times": 21}), "/rules/0/rungs/0/times", "from 1 to 20"),
        (rule({**RETRY, "after_seconds": -1}), "/rules/0/rungs/0/after_seconds", "from 0"),
        (rule({**RETRY, "from_node": "look"}), "/rules/0/rungs/0/from_node", "only read, write"),
        (rule({"do": "ask", "timeout_seconds": 9, "from_node": "read"}), "/rules/0/rungs/0/from_node", "not known"),
        (rule({"do": "dead_letter"}, RETRY), "/rules/0/rungs/0", "must stand last"),
        (rule({"do": "skip"}), "/rules/0/rungs/0", "either a value"),
        (rule({"do": "skip", "value": 1, "to": "read"}), "/rules/0/rungs/0", "either a value"),
        (rule({"do": "skip", "to": "nowhere"}), "/rules/0/rungs/0/to", "only read, write"),
        (rule({"do": "other_tool", "tool": ""}), "/rules/0/rungs/0/tool", "must be a name"),
        (rule({"do": "reduced_tools", "without": "x"}), "/rules/0/rungs/0/without", "must be a list"),
        (rule(RETRY, node="nowhere"), "/rules/0/node", "only read, write"),
        (rule(RETRY, tool=7), "/rules/0/tool", "must be a name"),
    ],
)  # fmt: skip
def test_a_policy_that_makes_no_sense_is_refused_with_its_place(given: Any, pointer: str, words: str) -> None:
    with pytest.raises(RecoveryError) as refused:
        policy_from(given, NODES)
    assert refused.value.pointer == pointer
    assert words in str(refused.value)


def test_what_an_author_writes_is_stored_as_json_and_read_back_the_same() -> None:
    class Careful(Program):
        name = "test-careful"
        recovery = (
            heal.on("timeout", "http_5*", tool="http.get", rungs=[
                heal.retry(times=2, after_seconds=5), heal.longer_timeout(factor=3), heal.other_tool("site.copy"),
                heal.cached_read(max_age_seconds=60), heal.skip(value={"text": ""}),
            ]),
            heal.on("*", node="read", rungs=[
                heal.other_model("small"), heal.reduced_tools("mail.send"), heal.retry(from_node="start"), heal.ask(times=2),
                heal.dead_letter(),
            ]),
            heal.on("*", rungs=[heal.skip(to="read")]),
        )  # fmt: skip

        @node(start=True)
        def start(self, ctx: Context, state: Any) -> Finish:
            return Finish()

        @node
        def read(self, ctx: Context, state: Any) -> Finish:
            return Finish()

    stored: Any = Careful.recovery_policy()
    assert policy_from(stored, Careful.nodes).as_json() == stored
    assert stored["rules"][0]["rungs"][0] == {"do": "retry", "after_seconds": 5, "factor": 2.0, "times": 2}


def test_a_program_with_a_senseless_policy_is_none() -> None:
    with pytest.raises(
        ProgramError, match=r"/rules/0/rungs/0/to: names the node 'nowhere'.*'test-senseless'"
    ):

        class Senseless(Program):
            name = "test-senseless"
            recovery = (heal.on("*", rungs=[heal.skip(to="nowhere")]),)

            @node(start=True)
            def start(self, ctx: Context, state: Any) -> Finish:
                return Finish()


def test_an_agent_without_rules_has_an_empty_policy() -> None:
    assert policy_from({}, NODES).rules == ()


def test_errors_belong_to_their_classes() -> None:
    assert is_of("http_timeout", "timeout")
    assert is_of("http_429", "rate_limited")
    assert is_of("http_5xx", "unavailable")
    assert is_of("state_schema", "invalid_state")
    assert is_of("KeyError", "*")
    assert is_of("http_404", "http_4*")
    assert not is_of("http_404", *CLASSES)


@pytest.mark.parametrize("code", sorted(DECIDED))
def test_what_a_person_decided_is_gone_round_only_where_it_is_named(code: str) -> None:
    assert not is_of(code, "*", *CLASSES)
    assert is_of(code, code)
