"""Put a kind of trouble away until it comes again, ignore it, take it up again, or write down what helps."""

from typing import Literal

from django.db.models.functions import Now

from agentops.accounts.roles import Actor, Scope
from agentops.audit.services.record import record
from agentops.common.canonical import clean_json
from agentops.common.transactions import transaction
from runs.models import StuckKind
from runs.selectors.console.stuck import kind_for
from runs.services.checks import misfit

MAX_NOTE_CHARACTERS = 2000


def decide_stuck_kind(
    *, actor: Actor, fingerprint: str, state: Literal["open", "resolved", "ignored"] | None = None, note: str | None = None
) -> StuckKind:  # fmt: skip
    """Return the kind with the state and the note that are given; a resolved one is open again with its next episode.

    Raises: NotAllowedError without the scope `run`; NotFoundError; InvalidInputError for a note that is too long.
    Transaction: opens one, of one statement.
    """
    actor.require(Scope.RUN)
    kind = kind_for(actor, fingerprint)
    changes: dict[str, object] = {}
    if note is not None:
        if len(note) > MAX_NOTE_CHARACTERS:
            raise misfit("/note", f"at most {MAX_NOTE_CHARACTERS:,} characters, it has {len(note):,}")
        changes["note"] = str(clean_json(note)).strip()
    if state is not None and state != kind.state:
        changes |= {"state": state, "state_by": actor.name[:200], "state_at": Now()}
    if changes:
        told = {name: changes[name] for name in ("state", "note") if name in changes}
        with transaction():
            StuckKind.objects.filter(team_id=actor.team_id, fingerprint=fingerprint).update(**changes)
            record(actor=actor, action="stuck.decide", subject=f"stuck:{fingerprint}", detail=told)  # type: ignore[arg-type]  # texts
    return kind_for(actor, fingerprint)
