"""Check a chain of entries against its seals."""

import hmac
from dataclasses import dataclass, field
from uuid import UUID

from agentops.audit.chain import BEGINNING, head_mac, seal_of
from agentops.audit.models import Entry, Head

MAX_TOLD = 20


@dataclass(slots=True)
class Verdict:
    """What a check has found: the first of the failures as sentences, and how many there are."""

    chain_id: UUID
    n_entries: int = 0
    n_unsealed: int = 0
    n_failures: int = 0
    failures: list[str] = field(default_factory=list)

    @property
    def is_clean(self) -> bool:
        return not self.n_failures

    def fail(self, sentence: str) -> None:
        self.n_failures += 1
        if len(self.failures) < MAX_TOLD:
            self.failures.append(sentence)


def verify_chain(chain_id: UUID) -> Verdict:
    """Return whether every sealed entry of the chain is what was written, none is missing, and none was put between.

    After a failure the chain is followed from the seal that is stored, so that one changed row is one failure.
    Reads the entries once, in batches; changes nothing.
    """
    verdict = Verdict(chain_id)
    head = Head.objects.filter(chain_id=chain_id).first() or Head(chain_id=chain_id)
    previous, seq = BEGINNING, 0
    sealed = Entry.objects.filter(chain_id=chain_id, seq__lte=head.seq).order_by("seq")
    for entry in sealed.iterator(2000):
        seq = _check(verdict, entry, seq, previous)
        previous, verdict.n_entries = bytes(entry.seal or b""), verdict.n_entries + 1
    _check_head(verdict, head, seq, previous)
    verdict.n_unsealed = Entry.objects.filter(chain_id=chain_id, seq__isnull=True).count()
    return verdict


def chain_ids() -> list[UUID]:
    """Return the chains there are: one a team, and that of the installation."""
    found = set(Head.objects.values_list("chain_id", flat=True))
    return sorted(found | set(Entry.objects.order_by().values_list("chain_id", flat=True).distinct()))


def _check(verdict: Verdict, entry: Entry, before: int, previous: bytes) -> int:
    seq = entry.seq or 0
    if seq != before + 1:
        verdict.fail(f"entries {before + 1} to {seq - 1} are missing")
        return seq
    if not hmac.compare_digest(seal_of(entry, seq, previous), bytes(entry.seal or b"")):
        verdict.fail(f"entry {seq} ({entry.id}) is not what was written")
    return seq


def _check_head(verdict: Verdict, head: Head, seq: int, seal: bytes) -> None:
    if not head.seq and not seq:
        return
    if seq != head.seq or not hmac.compare_digest(seal, bytes(head.seal)):
        verdict.fail(f"the chain ends at entry {seq}, and its head says {head.seq}")
    if not hmac.compare_digest(head_mac(head.chain_id, head.seq, bytes(head.seal)), bytes(head.mac)):
        verdict.fail("the head of the chain is not what was written")
