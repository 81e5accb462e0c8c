"""The summariser of the demo agent: its words are the source's words, always the same, and soon."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentops.demo.summarise import keywords, summarise

LIGHTHOUSE = """
The lighthouse stands on the northern rock. Its keeper lights the lamp of the lighthouse every evening.

The lamp of the lighthouse burns oil, and the keeper carries the oil up the stairs. Lunch is served at noon.
The ships in the bay steer by the lamp of the lighthouse when the keeper has lit it.
"""

sentences = st.lists(
    st.sampled_from(
        [
            "the",
            "keeper",
            "carries",
            "oil",
            "and",
            "lamp",
            "to",
            "ship",
            "in",
            "bay",
            "(often)",
            "e.g.",
            "3.5",
            "Über",
            "naïve",
            "Ελλάδα",
            "灯台",
        ]
    ),
    min_size=1,
    max_size=25,
).map(lambda words: " ".join(words).capitalize() + ".")
texts = st.one_of(st.text(max_size=500), st.lists(sentences, max_size=30).map(" ".join))


def squeezed(text: str) -> str:
    return " ".join(text.split())


def test_the_central_sentences_are_kept_in_the_order_of_the_text() -> None:
    summary = summarise(LIGHTHOUSE, max_sentences=2)

    assert len(summary) == 2
    assert all("lamp" in sentence or "lighthouse" in sentence for sentence in summary)
    assert squeezed(LIGHTHOUSE).index(summary[0]) < squeezed(LIGHTHOUSE).index(summary[1])
    assert not any("Lunch" in sentence for sentence in summary)


def test_a_query_draws_the_sentences_that_answer_it() -> None:
    assert not any("Lunch" in s for s in summarise(LIGHTHOUSE, max_sentences=3))
    assert any("Lunch" in s for s in summarise(LIGHTHOUSE, max_sentences=3, query="lunch noon served"))


def test_a_sentence_that_repeats_a_better_one_is_left_out() -> None:
    text = (
        "Decode the Base16 encoded bytes. Decode the Base32 encoded bytes. The alphabet may be chosen freely."
    )

    assert len(summarise(text)) == 2


@pytest.mark.parametrize(
    "text", ["", " \n\n ", "def f(x):\n    return x == 1", "no full stop here", "...", "\ufffd"]
)
def test_a_text_without_prose_has_no_summary(text: str) -> None:
    assert summarise(text) == []
    assert keywords(text) == []


def test_one_sentence_is_its_own_summary_however_short() -> None:
    assert summarise("Token constants.") == ["Token constants."]


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("Der Leuchtturm steht im Norden. Am Abend zündet der Wärter die Lampe an.", "Der Leuchtturm"),
        ("Το φως ανάβει κάθε βράδυ στο λιμάνι. Τα πλοία βλέπουν το φως από μακριά.", "Το φως"),
        ("灯台は北にあります。夜になると灯台の明かりがつきます。船は明かりを見ます。", "灯台は北"),
    ],
)
def test_other_languages_are_summarised_too(text: str, first: str) -> None:
    summary = summarise(text)

    assert summary[0].startswith(first)
    assert all(sentence in text for sentence in summary)
    assert keywords(text) or first == "灯台は北"


def test_keywords_are_the_words_that_others_stand_around() -> None:
    assert keywords(LIGHTHOUSE)[:3] == ["lighthouse", "keeper", "lamp"]


def test_signatures_and_boilerplate_are_no_sentences() -> None:
    text = "Text wrapping and filling. TextWrapper(width=70, tabsize=8, placeholder=' [...]'). See help(type(self))."

    assert summarise(text) == ["Text wrapping and filling."]


@given(texts)
def test_every_sentence_of_a_summary_stands_in_the_text(text: str) -> None:
    assert all(squeezed(sentence) in squeezed(text) for sentence in summarise(text))


@given(texts, st.integers(min_value=0, max_value=6))
def test_a_summary_is_no_longer_than_asked_and_says_nothing_twice(text: str, limit: int) -> None:
    summary = summarise(text, max_sentences=limit)

    assert len(summary) <= limit
    assert len(set(summary)) == len(summary)


@given(texts, st.text(max_size=20))
def test_the_same_text_gives_the_same_summary(text: str, query: str) -> None:
    assert summarise(text, query=query) == summarise(text, query=query)
    assert keywords(text) == keywords(text)


@given(texts)
def test_keywords_are_words_of_the_text(text: str) -> None:
    assert all(word in text.lower() for word in keywords(text))


@pytest.mark.parametrize(
    "text",
    [
        LIGHTHOUSE * 3000,
        "x" * 1_000_000,
        "word " * 200_000,
        "a. " * 333_000,
        "(" * 1_000_000,
        " \n" * 500_000,
        "灯" * 1_000_000,
    ],
    ids=["prose", "one word", "one sentence", "full stops", "brackets", "blanks", "no spaces"],
)
@pytest.mark.timeout(60)
def test_a_megabyte_does_not_take_for_ever(text: str) -> None:
    assert len(summarise(text)) <= len(text)
    assert len(keywords(text)) < 100
