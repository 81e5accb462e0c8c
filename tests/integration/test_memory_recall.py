"""How often a search finds the answer among its first five, in a small form of `python -m benchmarks memory`."""

from collections import Counter

import pytest
from django.db import connection

from benchmarks.memory import FIRST, fill
from benchmarks.memory_corpus import KINDS, memories, questions
from memory.adapters import vectors
from memory.selectors.search import MAX_HITS, search
from memory.services.create_space import create_space
from runs.journal.fence import execute
from tests.personas import World, actor

pytestmark = pytest.mark.django_db(transaction=True)

N_ITEMS, N_QUESTIONS = 2_000, 240


def test_the_corpus_is_the_same_each_time_and_each_question_has_its_answer() -> None:
    made, asked = memories(3_000), questions(240, among=2_000)
    assert made[:2_000] == memories(2_000)
    assert asked == questions(240, among=2_000)
    assert {question.key for question in asked} <= {memory.key for memory in made[:2_000]}
    assert [sum(question.kind == kind for question in asked) for kind in KINDS] == [60] * 4


def test_words_and_letters_together_find_more_than_either_alone(world: World) -> None:
    ada = actor(world.ada)
    space = create_space(actor=ada, slug="facts", kind="semantic")
    connection.ensure_connection()
    fill(connection.connection, ada.team_id, space.pk, memories(N_ITEMS))
    execute("ANALYZE memory_item", {})
    found: Counter[str] = Counter()
    for question in questions(N_QUESTIONS, among=N_ITEMS):
        hits = search(ada, query=question.text, k=MAX_HITS).hits
        places = next((hit.ranked.places for hit in hits if hit.item.key == question.key), {})
        found["both"] += question.key in {hit.item.key for hit in hits[:FIRST]}
        found.update(leg for leg, place in places.items() if place <= FIRST)
    assert found["lexical"] >= 0.75 * N_QUESTIONS
    if vectors.is_available():
        assert found["both"] >= 0.85 * N_QUESTIONS
        assert found["both"] > max(found["lexical"], found["vector"])
    else:
        assert found["both"] == found["lexical"]
