"""Identifiers sort by the time of their birth; tokens are random."""

import time
from uuid import RFC_4122, UUID

from agentops.common.ids import new_id, new_token


def test_an_id_is_a_uuid_of_version_7() -> None:
    made = new_id()
    assert (made.version, made.variant) == (7, RFC_4122)


def test_an_id_begins_with_the_millisecond_of_its_birth() -> None:
    before = time.time_ns() // 1_000_000
    made = new_id()
    after = time.time_ns() // 1_000_000
    assert before <= made.int >> 80 <= after


def test_ids_of_later_milliseconds_sort_behind() -> None:
    first = new_id()
    time.sleep(0.002)
    assert first < new_id()


def test_ids_and_tokens_do_not_repeat() -> None:
    made: list[UUID] = [make() for make in (new_id, new_token) for _ in range(1000)]
    assert len(set(made)) == 2000
