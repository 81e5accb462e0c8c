"""Entries of the audit as pages, exports and the API tell them."""

import orjson
from django.utils.translation import gettext as _

from agentops.audit.models import Entry
from agentops.audit.verify import Verdict
from runs.presenters import text

_PAGES = {"run": "/runs/{}", "approval": "/approvals/{}", "delivery": "/notifications/deliveries/{}", "source": "/sources/{}", "schedule": "/schedules/{}", "trigger": "/triggers/{}",
          "bulk": "/runs/bulk/{}", "agent": "/agents/{}/versions", "retention-job": "/policies/retention/works/{}"}  # fmt: skip


def address_of(entry: Entry) -> str:
    """Return the page of what the entry is about; empty where it has none."""
    return _PAGES.get(entry.subject_kind, "").format(entry.subject_id)


def detail_of(entry: Entry) -> str:
    """Return the particulars in one line."""
    parts = (
        f"{name}: {_short(value)}" for name, value in entry.detail.items() if value not in ("", [], None)
    )
    return " · ".join(parts)


def entry_line(entry: Entry) -> str:
    """Return the entry as a line of JSON, with its place in the chain."""
    return orjson.dumps(entry_members(entry)).decode() + "\n"


def entry_members(entry: Entry) -> dict[str, object]:
    return {
        "id": str(entry.id), "at": entry.at.isoformat(), "actor": entry.actor,
        "token_id": str(entry.token_id) if entry.token_id else None, "action": entry.action,
        "subject": f"{entry.subject_kind}:{entry.subject_id}", "detail": entry.detail, "seq": entry.seq,
        "seal": bytes(entry.seal).hex() if entry.seal else None,
    }  # fmt: skip


def verdict_words(verdict: Verdict) -> str:
    """Return what the badge says."""
    if not verdict.is_clean:
        return _("%(n)s failures: the audit is not what was written") % {"n": verdict.n_failures}
    told = _("%(n)s entries are what was written") % {"n": text.number(verdict.n_entries)}
    if verdict.n_unsealed:
        told += " · " + _("%(n)s are about to be sealed") % {"n": verdict.n_unsealed}
    return told


def _short(value: object) -> str:
    told = value if isinstance(value, str) else orjson.dumps(value).decode()
    return text.visible(text.shorten(told, 200))
