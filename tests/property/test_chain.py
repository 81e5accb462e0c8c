"""The integrity chain: no byte and no field can be changed, moved or copied without changing the code."""

from dataclasses import dataclass, fields, replace
from typing import Any
from uuid import UUID

import pytest
from django.core.exceptions import ImproperlyConfigured
from hypothesis import given
from hypothesis import strategies as st
from pytest_django import Settings

from runs.checkpoints.chain import checkpoint_hash, outcome_mac, same
from runs.checkpoints.codec import Encoded


@dataclass(frozen=True)
class Row:
    """What a code covers."""

    team_id: UUID
    run_id: UUID
    seq: int
    link: bytes
    codec: int
    body: bytes

    def checkpoint_hash(self) -> bytes:
        encoded = Encoded(self.codec, self.body, 0)
        return checkpoint_hash(self.team_id, self.run_id, self.seq, self.link, encoded)

    def outcome_mac(self) -> bytes:
        return outcome_mac(self.team_id, self.run_id, self.seq, self.link, self.codec, self.body)


FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "team_id": st.uuids(),
    "run_id": st.uuids(),
    "seq": st.integers(0, 2**63 - 1),
    "link": st.one_of(st.just(b""), st.binary(min_size=32, max_size=32)),
    "codec": st.integers(0, 255),
    "body": st.binary(max_size=50),
}
rows = st.builds(Row, **FIELDS)


@given(rows, st.data())
def test_another_field_is_another_code(row: Row, data: st.DataObject) -> None:
    name = data.draw(st.sampled_from([field.name for field in fields(Row)]))
    old = getattr(row, name)
    other = replace(row, **{name: data.draw(FIELDS[name].filter(lambda new: new != old))})
    assert other.checkpoint_hash() != row.checkpoint_hash()
    assert other.outcome_mac() != row.outcome_mac()


@given(rows.filter(lambda row: row.body), st.data())
def test_any_flipped_bit_is_another_code(row: Row, data: st.DataObject) -> None:
    flipped = bytearray(row.body)
    flipped[data.draw(st.integers(0, len(flipped) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    other = replace(row, body=bytes(flipped))
    assert not same(other.checkpoint_hash(), row.checkpoint_hash())
    assert not same(other.outcome_mac(), row.outcome_mac())


@given(st.binary(min_size=1, max_size=60), st.data())
def test_bytes_cannot_wander_from_the_link_to_the_body(text: bytes, data: st.DataObject) -> None:
    one, other = data.draw(st.lists(st.integers(0, len(text)), min_size=2, max_size=2, unique=True))
    left, right = (Row(UUID(int=1), UUID(int=2), 3, text[:cut], 0, text[cut:]) for cut in (one, other))
    assert left.checkpoint_hash() != right.checkpoint_hash()


@given(rows)
def test_a_code_is_the_same_each_time_and_good_for_one_purpose(row: Row) -> None:
    assert len(row.checkpoint_hash()) == 32
    assert same(row.checkpoint_hash(), memoryview(row.checkpoint_hash()))
    assert row.checkpoint_hash() != row.outcome_mac()


@given(st.lists(st.binary(max_size=20), min_size=2, max_size=8, unique=True), st.data())
def test_a_chain_notices_a_change_a_swap_and_a_loss_anywhere(
    bodies: list[bytes], data: st.DataObject
) -> None:
    at = data.draw(st.integers(0, len(bodies) - 2))
    swapped = [*bodies[:at], bodies[at + 1], bodies[at], *bodies[at + 2 :]]
    changed = [*bodies[:at], bodies[at] + b"!", *bodies[at + 1 :]]
    heads = {head_of(chain) for chain in (bodies, swapped, changed, bodies[:-1], bodies[1:])}
    assert len(heads) == 5


def head_of(bodies: list[bytes]) -> bytes:
    head = b""
    for seq, body in enumerate(bodies):
        head = Row(UUID(int=1), UUID(int=2), seq, head, 0, body).checkpoint_hash()
    return head


def test_another_key_gives_another_code_and_no_key_an_error(settings: Settings) -> None:
    row = Row(UUID(int=1), UUID(int=2), 3, b"", 0, b"{}")
    before = row.checkpoint_hash()
    settings.INTEGRITY_KEY = "another"
    assert row.checkpoint_hash() != before
    settings.INTEGRITY_KEY = ""
    with pytest.raises(ImproperlyConfigured, match="AGENTOPS_INTEGRITY_KEY is not set"):
        row.checkpoint_hash()
