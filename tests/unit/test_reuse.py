"""What becomes of an action on a branch that has been here before, in each mode."""

from typing import Any

import pytest

from runs.engine.reuse import Act, Mode, Reusable, Reuses, placeholder
from runs.engine.tools import Effect, ToolSpec

HASH, OTHER = b"h" * 32, b"o" * 32


def spec(effect: str = "write", *, idempotent: bool = True) -> ToolSpec:
    return ToolSpec("mail", Effect(effect), lambda call: None, idempotent=idempotent)


def row(
    n: int, status: str = "succeeded", request_hash: bytes = HASH, taken_seq: int | None = None
) -> Reusable:
    return Reusable(n, "mail", request_hash, status, f"key-{n}", taken_seq)


def acts(
    mode: Mode, rows: list[Reusable], asked: list[bytes], tool: ToolSpec
) -> list[tuple[str, int | None, str]]:
    reuses = Reuses(mode, rows)
    verdicts = [reuses.decide(seq, tool, h, is_begun=False) for seq, h in enumerate(asked, 1)]
    return [(verdict.act.value, verdict.n, verdict.mark) for verdict in verdicts]


@pytest.mark.parametrize(
    ("mode", "effect", "status", "verdict"),
    [
        (Mode.LIVE, "write", "made", ("perform", 1, "")),
        (Mode.LIVE, "write", "edited", ("serve", 1, "edited")),
        (Mode.RECORDED, "read", "succeeded", ("serve", 1, "recorded")),
        (Mode.RECORDED, "read", "failed", ("perform", 1, "")),
        (Mode.RECORDED, "write", "succeeded", ("serve", 1, "recorded")),
        (Mode.RECORDED, "write", "failed", ("ask", 1, "")),
        (Mode.RECORDED, "write", "made", ("ask", 1, "")),
        (Mode.RECORDED, "write", "edited", ("serve", 1, "edited")),
        (Mode.DRY, "read", "succeeded", ("perform", 1, "")),
        (Mode.DRY, "write", "succeeded", ("serve", 1, "simulated")),
        (Mode.DRY, "destructive", "unknown", ("simulate", 1, "simulated")),
        (Mode.INHERIT, "write", "succeeded", ("serve", 1, "inherited")),
        (Mode.INHERIT, "write", "failed", ("perform", 1, "")),
        (Mode.INHERIT, "write", "unknown", ("perform", 1, "")),
        (Mode.INHERIT, "write", "made", ("perform", 1, "")),
    ],
)
def test_an_equal_request(mode: Mode, effect: str, status: str, verdict: Any) -> None:
    assert acts(mode, [row(1, status)], [HASH], spec(effect)) == [verdict]


@pytest.mark.parametrize(
    ("mode", "effect", "act"),
    [
        (Mode.LIVE, "write", "perform"),
        (Mode.RECORDED, "read", "perform"),
        (Mode.RECORDED, "write", "ask"),
        (Mode.DRY, "write", "simulate"),
        (Mode.DRY, "compute", "perform"),
        (Mode.INHERIT, "write", "ask"),
        (Mode.INHERIT, "read", "perform"),
    ],
)
def test_a_request_that_was_not_made_before(mode: Mode, effect: str, act: str) -> None:
    assert [found[0] for found in acts(mode, [row(1)], [OTHER], spec(effect))] == [act]


def test_the_nth_request_gets_the_nth_outcome() -> None:
    found = acts(Mode.INHERIT, [row(1), row(2, request_hash=OTHER), row(3)], [HASH, HASH, OTHER], spec())
    assert [n for _, n, _ in found] == [1, 3, 2]


def test_once_all_writes_of_a_tool_are_accounted_for_new_ones_are_simply_made() -> None:
    assert [act for act, _, _ in acts(Mode.INHERIT, [row(1)], [HASH, OTHER, HASH], spec())] == [
        "serve",
        "perform",
        "perform",
    ]


def test_what_certainly_did_not_happen_is_no_reason_to_ask() -> None:
    certain = [row(1, "failed")]
    assert acts(Mode.INHERIT, certain, [OTHER], spec(idempotent=False))[0][0] == "perform"
    assert acts(Mode.INHERIT, certain, [OTHER], spec())[0][0] == "ask"


def test_a_write_in_doubt_is_asked_about_or_made_under_its_key() -> None:
    doubt = [row(1, "unknown")]
    assert acts(Mode.INHERIT, doubt, [HASH], spec(idempotent=False))[0][0] == "ask"
    assert Reuses(Mode.INHERIT, doubt).decide(1, spec(), HASH, is_begun=False).idempotency_key == "key-1"


def test_an_action_that_is_begun_again_keeps_its_row_its_key_and_its_question() -> None:
    reuses = Reuses(Mode.INHERIT, [row(1, "failed", taken_seq=7)], asked=[9])
    again = reuses.decide(7, spec(), HASH, is_begun=True)
    assert (again.act, again.idempotency_key) == (Act.PERFORM, "key-1")
    assert reuses.decide(9, spec(), HASH, is_begun=True).act is Act.ASK
    assert reuses.decide(8, spec(), HASH, is_begun=True).act is Act.PERFORM


@pytest.mark.parametrize(
    ("schema", "made"),
    [
        (None, {"simulated": True, "tool": "mail"}),
        ({"type": "object"}, {"simulated": True}),
        (
            {
                "type": "object",
                "required": ["id", "n"],
                "properties": {"id": {"type": "string"}, "n": {"type": "integer"}},
            },
            {"id": "", "n": 0, "simulated": True},
        ),
        (
            {
                "type": "object",
                "required": ["to"],
                "properties": {"to": {"enum": ["a", "b"]}},
                "additionalProperties": False,
            },
            {"to": "a"},
        ),
        ({"type": "array", "items": {"type": "boolean"}, "minItems": 2}, [False, False]),
        ({"type": ["number", "null"], "minimum": 3}, 3),
        ({"anyOf": [{"const": "x"}, {"type": "null"}]}, "x"),
    ],
)
def test_what_is_made_up_has_the_shape_of_what_the_tool_returns(schema: Any, made: Any) -> None:
    assert placeholder("mail", schema) == made
