"""Whatever stands in an address or a form of the console, the answer is a page that says what is wrong."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

import pytest

from tests.belongings import Belongings
from tests.personas import World

pytestmark = pytest.mark.django_db

NAMES = (
    "q",
    "seq",
    "after",
    "cursor",
    "from",
    "agent",
    "status",
    "level",
    "part",
    "path",
    "at",
    "depth",
    "limit",
    "next",
    "cols",
    "peek",
    "ids",
    "since",
    "verb",
    "run",
    "all",
    "name",
    "word",
)
WORDS = ("x", "-1", "9" * 25, "0" * 5000, "\ud7ff\U0001f600'\"<script>%\\", "[]", "a:b", "/a/b")

PARTS = 2


def _pages(theirs: Belongings, part: int) -> list[str]:
    """Return every PARTS-th address of the console, so that no test takes minutes."""
    pages = [at for at in theirs.addresses() if not at.startswith(("/api/", "/accounts/", "/readyz"))]
    return pages[part::PARTS]


def _some(words: Sequence[str], address: str) -> Sequence[str]:
    """Return every third word, for other addresses others: each word meets many pages."""
    return words[len(address) % 3 :: 3]


@pytest.mark.parametrize("part", range(PARTS))
def test_odd_queries(world: World, theirs: Belongings, client_for: Any, part: int) -> None:
    client = client_for(world.ada)
    client.raise_request_exception = False
    broken = set()
    for address in _pages(theirs, part):
        for word in _some(WORDS, address):
            answer = client.get(address, dict.fromkeys(NAMES, word))
            if answer.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
                break
            if answer.status_code >= 500:
                broken.add((address.replace(str(theirs.run.id), "ID"), word[:30]))
    assert sorted(broken) == []


@pytest.mark.parametrize("part", range(PARTS))
def test_odd_forms(world: World, theirs: Belongings, client_for: Any, part: int) -> None:
    client = client_for(world.ada)
    client.raise_request_exception = False
    broken = set()
    names = (*NAMES, "idempotency_key", "title", "reason", "team", "theme", "field-n", "n", "input")
    for address in _pages(theirs, part):
        for word in _some((*WORDS, "a\0b"), address):
            answer = client.post(address, dict.fromkeys(names, word))
            if answer.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
                break
            if answer.status_code >= 500:
                broken.add((address.replace(str(theirs.run.id), "ID"), word[:30]))
    assert sorted(broken) == []
