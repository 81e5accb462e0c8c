"""Words for what becomes of the world when a run goes another way."""

from django.utils.translation import gettext_lazy as _

from runs.engine.reuse import Mode
from runs.presenters.status import Chip, Words
from runs.selectors.effects import Fate

MEANS: dict[Mode, Words] = {
    Mode.LIVE: _("Every call is made again, and every write happens again."),
    Mode.RECORDED: _(
        "What was recorded is used while the requests are equal; a person is asked before any new write."
    ),
    Mode.DRY: _(
        "Nothing is written: a write returns what was recorded, or something made up and marked as such."
    ),
    Mode.INHERIT: _(
        "What was written already is not written again while the requests are equal; a different write to the same tool "
        "is asked about."
    ),
}

_FATES: dict[Fate, Chip] = {
    "again": Chip(_("Happens again"), "bad", "warning", _("It is made once more, under a key of its own")),
    "same_key": Chip(
        _("Again, same key"), "need", "retry", _("It is made once more, under the key that it had")
    ),
    "served": Chip(_("Not repeated"), "good", "check", _("What it returned is used again")),
    "asked": Chip(_("Asks first"), "need", "person", _("A person must allow it")),
    "simulated": Chip(
        _("Simulated"), "idle", "document", _("It is not made; something is made up, and marked")
    ),
}


def fate_words(fate: Fate) -> Chip:
    """Return what becomes of a write, as a chip."""
    return _FATES[fate]
