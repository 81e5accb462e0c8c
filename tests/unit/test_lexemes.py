"""Which words of a question are looked up in a large memory: rare ones, then pairs, then all at once."""

from memory.engine.lexemes import MANY_ROWS, looked_up

MILLION = 1_000_000.0


def test_what_is_rare_is_looked_up_alone_and_what_is_common_only_in_pairs() -> None:
    shares = {"invoice": 0.2, "porto": 0.01, "friday": 0.02}
    assert looked_up(["invoice", "kowalczyk", "porto", "friday"], shares, MILLION) == [
        ("kowalczyk",), ("porto", "friday"), ("porto", "invoice"),
    ]  # fmt: skip


def test_words_that_are_all_too_common_must_stand_together() -> None:
    shares = dict.fromkeys("abc", 0.5)
    assert looked_up(["a", "b", "c"], shares, MILLION) == [("a", "b", "c")]


def test_no_more_rows_are_looked_up_than_can_be_ranked() -> None:
    shares = {f"w{n}": 0.002 for n in range(20)}
    found = looked_up(list(shares), shares, MILLION)
    assert sum(2_000 if len(words) == 1 else 4 for words in found) <= MANY_ROWS


def test_without_statistics_all_words_are_alternatives() -> None:
    assert looked_up(["a", "b"], {}, 0.0) == [("a",), ("b",)]
