"""Asking the desk about a write before it begins."""

from dataclasses import replace

from runs.desk import GrantGoneError, Proposal, the_desk
from runs.engine.control import SliceOver
from runs.engine.journal import idempotency_key
from runs.engine.reuse import Act
from runs.journal import nodes
from runs.journal.actions import ActionJournal, Entry
from runs.journal.fence import Lease, persist
from runs.journal.pending import Pending


def judged(lease: Lease, entry: Entry, pending: Pending, node_seq: int) -> Entry:
    """Return the entry with what the desk says of it; a write that may have happened is not judged again."""
    action, spec = entry.action, entry.spec
    if spec is None or not entry.is_write or action.is_in_flight:
        return entry
    proposal = Proposal(lease.run_id, lease.team_id, action.seq, spec, action.request.args, action.attempts)
    said = persist(lambda: the_desk().judge(proposal))
    if said.note:
        pending.log("warning", said.note)
    if said.act is not Act.PERFORM and not (entry.is_asked and said.act is Act.ASK):
        entry.judged = replace(entry.judged, act=said.act, text=said.text)
    entry.grant, entry.args = said.grant, said.args
    if said.args is not None and spec.key_template:
        changed = replace(action, request=replace(action.request, args=said.args))
        entry.idempotency_key = idempotency_key(lease.team_id, lease.run_id, node_seq, changed, spec)
    return entry


def begun(journal: ActionJournal, entry: Entry) -> str:
    """Store that the write begins, and that its permission is used; return the run's control word.

    Raises: SliceOver when the permission is gone: the run is judged again in its next slice.
    """
    try:
        return journal.begin(entry)
    except GrantGoneError:
        nodes.release(journal.lease)
        raise SliceOver from None
