"""Words for what becomes of the world when a run goes another way."""

from django.utils.translation import gettext_lazy as _

from runs.engine.reuse import Mode
from runs.presenters.status import Words

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
