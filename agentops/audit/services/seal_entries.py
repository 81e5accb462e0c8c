"""Seal what has been recorded onto the chain of its team; the clock does it at each round."""

from uuid import UUID

from agentops.audit.chain import head_mac, seal_of
from agentops.audit.models import Entry, Head
from agentops.common.transactions import transaction

BATCH = 1000


def seal_entries() -> int:
    """Seal every entry that is committed and not sealed; returns how many. Any number of clocks may do it."""
    waiting = Entry.objects.filter(seq__isnull=True).order_by().values_list("chain_id", flat=True).distinct()
    return sum(seal_chain(chain_id) for chain_id in list(waiting))


def seal_chain(chain_id: UUID) -> int:
    """Seal what waits of one chain, a batch in the order of the ids; returns how many.

    Locks: the chain's head. Transaction: opens one.
    """
    Head.objects.bulk_create([Head(chain_id=chain_id)], ignore_conflicts=True)
    with transaction():
        head = Head.objects.select_for_update().get(chain_id=chain_id)
        seq, seal = head.seq, bytes(head.seal)
        entries = list(Entry.objects.filter(chain_id=chain_id, seq__isnull=True).order_by("id")[:BATCH])
        for entry in entries:
            seq += 1
            seal = seal_of(entry, seq, seal)
            entry.seq, entry.seal = seq, seal
        Entry.objects.bulk_update(entries, ["seq", "seal"], batch_size=BATCH)
        Head.objects.filter(chain_id=chain_id).update(seq=seq, seal=seal, mac=head_mac(chain_id, seq, seal))
    return len(entries)
