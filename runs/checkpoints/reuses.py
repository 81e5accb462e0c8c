"""Codes of branches and of the outcomes that they were given, so that neither can be changed, added or taken away."""

from collections.abc import Iterable
from typing import Any

from runs.checkpoints.chain import branch_seal, reuse_mac
from runs.models import Branch, Reuse


def mac_of(row: Reuse) -> bytes:
    """Return the code that the row must bear; what may change, `taken_seq`, is not under it."""
    what: list[Any] = [
        row.tool,
        row.effect,
        row.status,
        row.idempotency_key,
        str(row.source_run_id),
        row.source_seq,
    ]
    what.append(row.body is None)
    place, body = (row.branch, row.n), bytes(row.body or b"")
    return reuse_mac(row.team_id, row.run_id, place, bytes(row.request_hash), what, row.body_codec, body)


def seal_of(branch: Branch, macs: Iterable[bytes]) -> bytes:
    """Return the code that the branch must bear; `macs` are those of its reusable outcomes, by number."""
    what: list[Any] = [
        branch.parent_number, branch.cause, branch.effect_mode, branch.from_run_id and str(branch.from_run_id),
        branch.from_seq, branch.checkpoint_seq, branch.node, branch.first_seq, branch.left_head_seq,
        bytes(branch.left_head_hash or b"").hex(), branch.changes, branch.reason, branch.by,
        [bytes(mac).hex() for mac in macs],
    ]  # fmt: skip
    return branch_seal(branch.team_id, branch.run_id, branch.number, bytes(branch.from_hash), what)
