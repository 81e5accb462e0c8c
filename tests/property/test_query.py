"""The search language: what is written is read as the same terms, and nothing that is sent takes long or breaks."""

import time
from datetime import UTC, datetime
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from agentops.common.errors import BadQueryError
from agentops.common.query import And, Filter, Not, Or, Range, Scope, Term, Text, Value, parse, render
from agentops.common.query.words import is_plain_text, is_plain_value
from runs.search.compiler import compiled
from runs.search.registry import KEYS, Asker

ASKER = Asker(UUID(int=1), "ada", datetime(2026, 3, 29, 12, tzinfo=UTC), ZoneInfo("Europe/Berlin"))
ANSWER_SECONDS = 0.1

characters = st.characters(blacklist_categories=["Cs"], blacklist_characters="\0")
texts = st.text(characters | st.sampled_from('"\\-!~():,.[]<>=* ORAND'), min_size=1, max_size=12)
names = st.from_regex(r"[A-Za-z_][A-Za-z0-9_-]{0,8}", fullmatch=True)


def value(*, is_of_key: bool) -> st.SearchStrategy[Value]:
    """Return values, quoted where they have to be, and sometimes where they need not."""
    is_plain = is_plain_value if is_of_key else is_plain_text
    quoted = texts.map(lambda text: Value(text, is_quoted=True))
    return quoted | texts.filter(is_plain).map(Value)


values = value(is_of_key=True)
ranges = st.builds(Range, values, values)
many = st.lists(values | ranges, min_size=1, max_size=3).map(tuple)
compared = st.tuples(st.sampled_from([">", ">=", "<", "<=", "=", "~"]), st.tuples(values | ranges))
filters = st.builds(
    lambda key, path, told: Filter(key, told[1], told[0], path),
    names, st.lists(names | texts, max_size=2).map(tuple), st.tuples(st.just(""), many) | compared,
)  # fmt: skip
leaves = filters | st.builds(Text, value(is_of_key=False))
pairs = st.tuples(leaves, leaves)


def deeper(inner: st.SearchStrategy[Term]) -> st.SearchStrategy[Term]:
    parts = st.lists(inner, min_size=2, max_size=3)
    return (
        parts.map(lambda terms: And.of(*terms))
        | parts.map(lambda terms: Or.of(*terms))
        | inner.map(Not.of)
        | st.builds(Scope, names.filter(lambda name: name not in ("OR", "AND")), inner)
    )


terms = st.recursive(leaves, deeper, max_leaves=8)


def read(text: str) -> Term | BadQueryError:
    """Return what the text asks for, or why it is refused."""
    try:
        return parse(text)
    except BadQueryError as error:
        return error


def fits(term: Term) -> bool:
    """Return whether the query is not too long or too deep to be read at all."""
    found = read(render(term))
    told = found.detail if isinstance(found, BadQueryError) else ""
    assert not told or "deep" in told or "more than" in told, told
    return not told


@given(terms.filter(fits) | st.just(And()))
@example(Text(Value("OR", is_quoted=True)))
@example(Filter("a", (Range(Value("1"), Value("2", is_quoted=True)),)))
def test_what_is_written_is_read_as_the_same_terms(term: Term) -> None:
    assert parse(render(term)) == term


@given(st.text(characters | st.sampled_from('"\\-!~():,.[]<>= \nabORAND'), max_size=60))
def test_what_can_be_read_has_one_canonical_form(text: str) -> None:
    term = read(text)
    if isinstance(term, BadQueryError):
        assert 0 <= term.data["position"] <= len(text)
        return
    assert parse(render(term)) == term
    assert render(parse(render(term))) == render(term)


keys = st.sampled_from([*KEYS, "has", "no", "sort", "is", "nonsense"])
odd = st.sampled_from(
    ["-1d", "today", "2026-03-29", "2026-03-29T02:30", "9999-12-31", "0001-01-01", "1e999", "-5", "nan", "10k", "@me",
     "none", "any", "a*", "1..2", "2h", "999999999w", "-999999w", "ffff", "%s", "'; --", "inf", "$5", "٣"]
)  # fmt: skip


@given(keys, st.sampled_from(["", ">", ">=", "<", "<=", "=", "~"]), odd | texts.filter(is_plain_value))
def test_any_value_of_any_key_is_a_condition_or_a_sentence(key: str, operator: str, text: str) -> None:
    try:
        condition = compiled(parse(f"{key}:{operator}{text}"), ASKER).condition
    except BadQueryError:
        return
    assert condition.text.replace("%%", "").count("%s") == len(condition.params)


HOSTILE = {
    "10 KB of one word": "a" * 10_240,
    "10 KB of a key": f"status:{'x' * 10_240}",
    "500 brackets": "(" * 500,
    "500 brackets and their partners": "(" * 500 + "a" + ")" * 500,
    "500 minuses": "-" * 500 + "a",
    "500 scopes": "step(" * 300,
    "1,000 values": "status:" + ",".join(["failed"] * 250),
    "1,000 words": "a " * 1000,
    "quotation marks": '"' * 2047,
    "backslashes in quotation marks": '"' + "\\" * 2046,
    "dots": "a" + ".b" * 1000,
    "dots and quotation marks": "a" + '."b"' * 500,
    "dots without an end": "a" + '."' * 1000,
    "stars": "title:" + "*" * 2000,
    "stars and letters": "title:" + "*a" * 1000 + "b",
    "a bomb for regular expressions": "title:" + "(a+)+" * 400 + "$",
    "spaces": " " * 2048,
    "letters and spaces": ("a" + " " * 20) * 97,
    "a close call of a key": "s" * 2000 + ":x",
    "a number without an end": "cost:>" + "9" * 2000,
    "combining marks": "a" + "\u0301" * 2000,
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_query_is_answered_at_once(text: str) -> None:
    began, told = time.thread_time(), ""
    try:
        compiled(parse(text), ASKER)
    except BadQueryError as error:
        told = error.detail
    assert len(told) < 700
    assert time.thread_time() - began < ANSWER_SECONDS
