"""Searches of memory: `python -m benchmarks.memory --items 2000 --questions 240 --large 1000000`.

How often the answer to a question stands among the first five, by words alone, by letters alone, and by both; then how long
searches take in a large memory, and how often they still find the answer there. `--large 0` leaves that out.
"""

import argparse
import json
import os
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from multiprocessing import get_context
from typing import Any
from uuid import UUID

import psycopg

from benchmarks.figures import Figures, emit, percentile, versions
from benchmarks.lists import environment_of
from benchmarks.memory_corpus import KINDS, Memory, Question, memories, questions
from benchmarks.servers import servers

FIRST = 5
PART = 2_000
MODES = {"lexical": "words", "vector": "letters", "hybrid": "both"}
_ITEMS = "COPY memory_item (id, team_id, space_id, key, text, tags, label, importance, trust, status, is_pinned, version, written_by) FROM STDIN"
_VECTORS = "COPY memory_embedding (item_id, space_id, profile, embedding) FROM STDIN"
_INDEX = "CREATE INDEX memory_embedding_near ON memory_embedding USING hnsw (embedding halfvec_cosine_ops)"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, default=2_000)
    parser.add_argument("--questions", type=int, default=240)
    parser.add_argument("--large", type=int, default=1_000_000)
    given = parser.parse_args()
    with servers() as environment:
        os.environ |= environment_of(environment)
        for name, figures in measured(given.items, given.questions, given.large):
            emit("memory", name, figures, versions("django", "psycopg"))


def measured(n_items: int, n_questions: int, n_large: int) -> Iterator[tuple[str, Figures]]:
    """Fill the database unless it is filled, and yield the figures of each way to search."""
    import django

    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    for n in filter(None, (n_items, n_large)):
        actor = filled(n)
        asked = questions(n_questions, among=n)
        for mode, name in MODES.items():
            figures = figures_of(actor, asked, mode, f"of_{n}")
            told = figures if n == n_items else {key: figures[key] for key in figures if _is_fair(key)}
            yield name, told


def _is_fair(figure: str) -> bool:
    """Whether a figure says something of a large memory: of these made-up ones many answer alike, but for rare numbers."""
    return not figure.startswith("recall") or "identifier" in figure


def figures_of(actor: Any, asked: Sequence[Question], mode: str, suffix: str) -> Figures:
    from memory.engine.kinds import SearchMode
    from memory.selectors.search import search

    found: Counter[str] = Counter()
    seconds = []
    for question in asked:
        began = time.perf_counter()
        hits = search(actor, query=question.text, mode=SearchMode(mode), k=FIRST).hits
        seconds.append(time.perf_counter() - began)
        found[question.kind] += question.key in {hit.item.key for hit in hits}
    shares = {
        f"recall_at_{FIRST}_{kind}_{suffix}": (round(found[kind] / (len(asked) / len(KINDS)), 3), "")
        for kind in KINDS
    }
    times = {f"search_p{at}_{suffix}": (round(percentile(seconds, at) * 1e3, 1), "ms") for at in (50, 95, 99)}
    return {f"recall_at_{FIRST}_{suffix}": (round(found.total() / len(asked), 3), "")} | shares | times


def filled(n: int) -> Any:
    """Return who may search a team's memory of `n` items; it is filled if it is not there."""
    from agentops.accounts.models import Team
    from agentops.accounts.roles import Actor, Scope
    from memory.models import Space

    team, is_new = Team.objects.get_or_create(slug=f"of-{n}", defaults={"name": f"{n} items"})
    if is_new:
        space = Space.objects.create(
            team=team, slug="facts", title="Facts", kind="semantic", created_by="bench"
        )
        with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as direct:
            load(direct, team.pk, space.pk, n)
    return Actor(team.pk, None, "bench", frozenset(Scope))


def load(direct: psycopg.Connection, team_id: UUID, space_id: UUID, n: int) -> None:
    """Fill a space; the index of neighbours is built at the end, as one would for so many."""
    direct.execute("SET maintenance_work_mem = '3GB'; SET max_parallel_maintenance_workers = 2")
    direct.execute("DROP INDEX IF EXISTS memory_embedding_near")
    with get_context("fork").Pool(2) as pool:
        fill(direct, team_id, space_id, memories(n), in_parallel=pool.imap)
    direct.execute(_INDEX)
    direct.execute("VACUUM (ANALYZE) memory_item, memory_embedding")


def fill(
    direct: psycopg.Connection, team_id: UUID, space_id: UUID, made: Sequence[Memory], in_parallel: Any = map
) -> None:
    """Copy memories into a space, and their vectors where there is a table for them."""
    from agentops.common.ids import new_id
    from memory.adapters import vectors
    from memory.engine.embedding import PROFILE

    rows = [(new_id(), memory.key, memory.text) for memory in made]
    with direct.cursor().copy(_ITEMS) as copy:
        for item_id, key, text in rows:
            copy.write_row(
                (item_id, team_id, space_id, key, text, json.dumps([]), "", 0.5, "human", "active", False, 1, "bench")
            )  # fmt: skip
    if not vectors.is_available():
        return
    with direct.cursor().copy(_VECTORS) as copy:
        for part in in_parallel(_embedded, (rows[at : at + PART] for at in range(0, len(rows), PART))):
            for item_id, literal in part:
                copy.write_row((item_id, space_id, PROFILE, literal))


def _embedded(rows: Sequence[tuple[UUID, str, str]]) -> list[tuple[UUID, str]]:
    from memory.adapters.vectors import literal
    from memory.engine.embedding import embed

    return [(item_id, literal(embed(f"{key} {text}"))) for item_id, key, text in rows]


if __name__ == "__main__":
    main()
