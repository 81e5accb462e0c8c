"""The detectors over a corpus of runs: true loops are caught, polls and batches are not, and each flag has its case."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from runs.engine.detectors import DETECTORS, findings
from runs.engine.fingerprints import fingerprint, normalised
from runs.engine.sights import Act, Finding, OpenWait, Sight, Slip, Usual
from runs.engine.watch_rules import DEFAULTS, REASONS, WatchError, next_remedy, rules_from
from runs.search.keys import HEALTH

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


def ago(seconds: float) -> datetime:
    return NOW - timedelta(seconds=seconds)


def acts(*told: Any, gap_seconds: float = 1.0) -> list[Act]:
    """Return acts, one for each `(name, call, result)`, or `"wait"`, the last of them just now."""
    made = []
    for n, one in enumerate(told):
        name, call, result = ("wait", str(n), "") if one == "wait" else one
        at = ago((len(told) - n) * (0.5 + gap_seconds))
        kind = name if name in ("wait", "llm") else "tool"
        made.append(Act(n + 1, kind, name, call, result, "succeeded", at, at + timedelta(milliseconds=500)))
    return made


def sight(status: str = "running", **more: Any) -> Sight:
    base = Sight(
        now=NOW, status=status, node="login", created_at=ago(3600), started_at=ago(600), node_at=ago(2)
    )
    return replace(base, **more)


def seen(run: Sight, given: Any = None) -> dict[str, Finding]:
    return {found.reason: found for found in findings(run, rules_from(given or {}))}


LOGIN = ("portal.login", "ada", "try again")
TRUE_LOOPS = {
    "the same call": acts(*[LOGIN] * 5),
    "the same call, with the model between": acts(*[it for n in range(5) for it in (("llm", str(n), "x"), LOGIN)]),
    "to and fro": acts(*[("open", "a", "x"), ("close", "a", "y")] * 3),
    "four in a circle": acts(*[(name, "a", "x") for name in "abcd"] * 3),
    "after much good work": acts(*[("read", str(n), str(n)) for n in range(30)], *[LOGIN] * 5),
}  # fmt: skip
NO_LOOPS = {
    "four times": acts(*[LOGIN] * 4),
    "a poll whose result changes": acts(*[("job.status", "7", f"{n} %") for n in range(60)]),
    "a poll that waits in between": acts(*[("job.status", "7", "pending"), "wait"] * 20),
    "a poll every ten seconds": acts(*[("job.status", "7", "pending")] * 20, gap_seconds=10),
    "a batch over many files": acts(*[("file.read", str(n), "ok") for n in range(60)]),
    "a batch that reads and writes": acts(*[it for n in range(30) for it in (("read", str(n), "x"), ("write", str(n), "ok"))]),
    "a batch with one result": acts(*[("mail.send", str(n), "sent") for n in range(60)]),
    "it got out of the loop": acts(*[LOGIN] * 9, ("portal.home", "ada", "welcome")),
}  # fmt: skip


@pytest.mark.parametrize("name", TRUE_LOOPS)
def test_a_true_loop_is_caught(name: str) -> None:
    found = seen(sight(acts=TRUE_LOOPS[name]))["looping"]
    assert found.name == "login"
    assert "with the same result" in found.text


@pytest.mark.parametrize("name", NO_LOOPS)
def test_what_is_no_loop_is_left_alone(name: str) -> None:
    assert "looping" not in seen(sight(acts=NO_LOOPS[name]))


def test_one_that_loops_is_not_told_to_stand_still_too() -> None:
    assert set(seen(sight(acts=acts(*[LOGIN] * 40)))) == {"looping"}


def test_a_loop_begins_where_it_began() -> None:
    found = seen(sight(acts=acts(("read", "a", "x"), *[LOGIN] * 7)))["looping"]
    assert (found.from_seq, found.text) == (2, "portal.login: 7 times in a row with the same result")


def slips(*messages: str, name: str = "portal.login", seq: int = 4) -> list[Slip]:
    return [Slip(seq + n, name, "http_503", message, ago(60 - n)) for n, message in enumerate(messages)]


def test_the_same_failure_three_times_is_stuck_until_the_call_succeeds() -> None:
    thrice = slips("portal 7 sent 503 at 12:00", "portal 8 sent 503 at 12:01", "portal 9 sent 503 at 12:03")
    found = seen(sight(slips=thrice))["stuck"]
    assert found.error == "http_<n>: portal <n> sent <n> at <n>"
    assert found.from_seq == 4
    assert "stuck" not in seen(sight(slips=thrice[1:]))
    assert "stuck" not in seen(sight(slips=[*thrice, *slips("another thing", name="http.get")]))
    good = Act(6, "tool", "portal.login", "a", "b", "succeeded", ago(9), ago(8))
    assert "stuck" not in seen(sight(slips=thrice, acts=[good]))


BROKEN: list[tuple[str, Sight]] = [
    ("stuck", sight("waiting", waits=[OpenWait("event", ago(400))], wake_at=NOW)),
    ("stalled", sight(node_at=ago(1900), started_at=ago(1900))),
    ("stalled", sight(acts=acts(*[(f"t{n % 11}", "a", "x") for n in range(33)]))),
    ("zombie", sight(silent_since=ago(31))),
    ("orphan", sight("waiting")),
    ("orphan", sight("waiting", waits=[OpenWait("child", NOW, is_lost=True)])),
    ("orphan", sight("waiting", waits=[OpenWait("child", NOW, child_ended_at=ago(61))])),
    ("forgotten", sight("waiting", quiet_since=NOW - timedelta(days=14), waits=[OpenWait("event", NOW)])),
    ("overdue", sight(deadline_at=ago(61))),
    ("overdue", sight(started_at=ago(3000), usual=Usual(20, p95_seconds=900.0))),
    ("burning", sight(cost_microusd=10_000_000, usual=Usual(10, median_microusd_a_minute=20_000.0))),
    ("no_worker", sight("queued", has_worker=False, queued_at=ago(61))),
    ("runaway", sight(n_own_ancestors=8)),
    ("runaway", sight(n_own_starts=25)),
]
WELL: list[tuple[str, Sight]] = [
    ("stuck", sight("waiting", waits=[OpenWait("event", ago(200))], wake_at=NOW)),
    ("stalled", sight(node_at=ago(1700), started_at=ago(1900))),
    ("stalled", sight("sleeping", node_at=ago(1900), started_at=ago(1900))),
    ("stalled", sight(acts=acts(*[(f"t{n}", "a", "x") for n in range(33)]))),
    ("zombie", sight(silent_since=ago(20))),
    ("orphan", sight("waiting", waits=[OpenWait("child", NOW, child_ended_at=ago(5))])),
    ("orphan", sight("awaiting_approval", n_open_steps=1)),
    ("forgotten", sight("waiting", quiet_since=NOW - timedelta(days=13))),
    ("overdue", sight(started_at=ago(2500), usual=Usual(20, p95_seconds=900.0))),
    ("overdue", sight(started_at=ago(3000), usual=Usual(19, p95_seconds=900.0))),
    ("burning", sight(cost_microusd=400_000, usual=Usual(10, median_microusd_a_minute=20_000.0))),
    ("no_worker", sight("queued", queued_at=ago(600))),
    ("runaway", sight(n_own_ancestors=7, n_own_starts=24)),
]


@pytest.mark.parametrize(("reason", "run"), BROKEN)
def test_each_flag_stands_when_its_rule_says_so(reason: str, run: Sight) -> None:
    found = seen(run)[reason]
    assert found.text
    assert found.since <= NOW


@pytest.mark.parametrize(("reason", "run"), WELL)
def test_and_not_before(reason: str, run: Sight) -> None:
    assert reason not in seen(run)


def test_every_reason_is_a_flag_with_a_rule_and_a_detector() -> None:
    assert set(DETECTORS) == set(REASONS)
    assert set(REASONS) <= set(HEALTH)


def test_an_agent_may_have_rules_of_its_own() -> None:
    run = sight(acts=acts(*[LOGIN] * 5))
    assert "looping" not in seen(run, {"looping": {"is_on": False}})
    assert "looping" not in seen(run, {"looping": {"identical": 6}})
    rules = rules_from({"looping": {"ladder": [{"do": "notify"}, {"do": "kill", "after_seconds": 90}]}})
    assert next_remedy(rules["looping"], 1, 89) is None
    kill = next_remedy(rules["looping"], 1, 90)
    assert kill
    assert kill.do == "kill"
    assert next_remedy(rules["looping"], 2, 1e9) is None
    assert rules["stuck"] == DEFAULTS["stuck"]


@pytest.mark.parametrize(
    ("given", "pointer"),
    [
        ([], ""), ({"sleepy": {}}, "/sleepy"), ({"looping": {"identical": 0}}, "/looping/identical"),
        ({"looping": {"ladder": [{"do": "shout"}]}}, "/looping/ladder/0/do"), ({"looping": {"is_on": 1}}, "/looping/is_on"),
        ({"looping": {"ladder": [{"do": "pause", "after_seconds": 9}, {"do": "kill"}]}}, "/looping/ladder/1/after_seconds"),
    ],
)  # fmt: skip
def test_rules_that_make_no_sense_are_refused_with_the_place(given: Any, pointer: str) -> None:
    with pytest.raises(WatchError) as caught:
        rules_from(given)
    assert caught.value.pointer == pointer


def test_the_same_trouble_has_the_same_fingerprint() -> None:
    one = normalised(
        "Case 4711: GET https://portal.example/login?id=9 gave 503 for 'ada' (run 019f2a44-aaaa-7bbb-8ccc-123456789abc)"
    )
    other = normalised(
        "Case 4712: GET https://portal.example/login?id=8 gave 502 for 'bob' (run 019f2a45-aaaa-7bbb-8ccc-123456789abd)"
    )
    assert one == other
    assert fingerprint(reason="stuck", name="login", error=one) != fingerprint(
        reason="stuck", name="file", error=one
    )
    assert fingerprint(reason="stuck", name="login", error=one).startswith("1-")
