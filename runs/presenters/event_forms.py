"""The forms for sources of events, triggers and events: each is the form of a JSON Schema, as the start of a run is."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from agentops.common.errors import AgentOpsError
from runs.engine.sources import SourceKind
from runs.presenters.schema_form import Field, blank_form, document, filled_form, place_errors, property_order
from runs.services.source_settings import MEMBERS, SECRETS, Member

Told = tuple[str | Promise, str | Promise, str]
Schema = dict[str, Any]

KINDS: dict[SourceKind, tuple[str | Promise, str | Promise]] = {
    SourceKind.WEBHOOK: (_("Webhook"), _("Others call us: a POST that is signed as Standard Webhooks says.")),
    SourceKind.GITHUB: (_("GitHub"), _("GitHub calls us, signed with the secret that both sides know.")),
    SourceKind.REDIS: (_("Redis stream"), _("We read the entries of a stream, in their order.")),
    SourceKind.FOLDER: (_("Folder"), _("We look for new files in a folder of this server that its operator allows.")),
    SourceKind.SQL: (_("SQL table"), _("We read the new rows of a PostgreSQL table, such as an outbox.")),
    SourceKind.IMAP: (_("Mailbox"), _("We read the new messages of an IMAP mailbox, without attachments.")),
    SourceKind.RUNS: (_("Ends of runs"), _("The end of every run of an agent is an event, which may start others.")),
}  # fmt: skip

_SETTINGS: dict[str, Told] = {
    "key_pointer": (_("Where the key stands"), _("JSON pointer into the payload, to what the event is about. Empty: events have no key."), "/invoice/number"),
    "url": (_("Address"), _("Without the password."), "redis://redis.example:6379/0"),
    "stream": (_("Stream"), "", "orders"),
    "path": (_("Folder"), _("On the server, inside one that SOURCE_FOLDERS names."), "/srv/inbox"),
    "pattern": (_("Names of files"), "", "*.json"),
    "stable_seconds": (_("Seconds without a change"), _("How long a file must stay as it is before it counts as written."), ""),
    "table": (_("Table"), _("Or schema.table; not a view."), "outbox"),
    "column": (_("Column that counts up"), "", "id"),
    "host": (_("Server"), "", "imap.example.org"),
    "port": (_("Port"), "", ""),
    "user": (_("User"), "", "orders@example.org"),
    "mailbox": (_("Mailbox"), "", "INBOX"),
    "tls": (_("Encrypted from the beginning (TLS)"), "", ""),
    "agent": (_("Agent"), _("Slug; empty for runs of all agents."), "site-research"),
    "every_seconds": (_("Seconds between two looks"), "", ""),
    "from_start": (_("Also what is there already"), "", ""),
}  # fmt: skip
_SECRETS: dict[SourceKind, Told] = {
    SourceKind.WEBHOOK: (_("Secret"), _("Empty: a new one is made and shown. Else the one that the sender gave you."), "whsec_…"),
    SourceKind.GITHUB: (_("Secret"), _("Empty: a new one is made and shown."), ""),
    SourceKind.REDIS: (_("Password"), "", ""),
    SourceKind.SQL: (_("Connection"), _("With the password; it is stored sealed. Reading is all that its user needs to be allowed."), "postgresql://reader:password@db.example:5432/shop"),
    SourceKind.IMAP: (_("Password"), "", ""),
}  # fmt: skip


@dataclass(slots=True)
class PlainForm:
    """The fields of a form, and what is wrong that belongs to none of them."""

    fields: list[Field]
    told: list[str] = field(default_factory=list)

    @property
    def n_errors(self) -> int:
        return sum(bool(one.error) for one in self.fields)

    @property
    def values(self) -> Schema | None:
        """What the fields say; None when one cannot be read, and is marked."""
        return document(self.fields)

    def refuse(self, error: AgentOpsError) -> None:
        """Put each part of the error where it belongs."""
        places = [
            {**place, "pointer": str(place["pointer"]).removeprefix("/settings")}
            for place in error.data.get("errors", ()) if "pointer" in place
        ]  # fmt: skip
        self.told += place_errors(self.fields, places) if places else [error.detail]


def form_of(schema: Schema, posted: Mapping[str, Any] | None, given: Schema | None = None) -> PlainForm:
    """Return the form as somebody filled it, or a new one with what is `given`."""
    order = property_order(schema)
    if posted is None:
        return PlainForm(blank_form(schema, given, order))
    return PlainForm(filled_form(schema, posted, order))


def source_schema(kind: SourceKind) -> Schema:
    """Return the schema of the form that makes a source of this kind."""
    slug = _part(
        (_("Name"), _("Lower-case letters, digits and hyphens; its events are called by it."), "shop")
    )
    properties: Schema = {"slug": slug}
    properties |= {name: _setting(name, member) for name, member in MEMBERS[kind].items()}
    if kind in _SECRETS:
        properties["secret"] = _part(_SECRETS[kind])
    needed = ["slug", *(name for name, member in MEMBERS[kind].items() if member.is_needed)]
    return {
        "properties": properties,
        "required": [*needed, *(["secret"] if SECRETS[kind] == "needed" else [])],
    }


def secret_schema(kind: SourceKind) -> Schema | None:
    """Return the schema of the form that gives a source another secret; None for a kind that takes none."""
    if kind not in _SECRETS:
        return None
    needed = ["secret"] if SECRETS[kind] == "needed" else []
    return {"properties": {"secret": _part(_SECRETS[kind])}, "required": needed}


def trigger_schema(agents: list[str]) -> Schema:
    """Return the schema of the form that makes a trigger for one of the agents."""
    properties = {
        "event_name": _part((_("When this happens"), _("The name of the event."), "shop.paid")),
        "key": _part((_("About"), _("The key that it must have; empty for any."), "A-1")),
        "match": _part((_("Its payload contains"), _("Members with these values, at any depth; empty for any."), '{"currency": "EUR"}'), None),
        "agent": _part((_("Start this agent"), "", "")) | {"enum": agents},
        "input_template": _part(
            (_("With this input"), _('{"$": "/payload/…"} stands for a part of the event. Empty: the payload is the input.'), '{"order": {"$": "/payload/order"}}'), None
        ),
        "priority": _part((_("Priority"), _("From −100 to 100."), ""), "integer") | {"default": 0},
    }  # fmt: skip
    return {"properties": properties, "required": ["event_name", "agent"]}


def event_schema() -> Schema:
    """Return the schema of the form that publishes an event."""
    properties = {
        "name": _part((_("What happened"), "", "invoice.paid")),
        "key": _part((_("About"), _("Runs that wait for a certain key see only theirs."), "A-1")),
        "payload": _part((_("What is known of it"), "", '{"currency": "EUR"}'), None),
        "id": _part((_("Number of the sender"), _("A second event under it changes nothing."), "")),
    }
    return {"properties": properties, "required": ["name"]}


def _part(told: Told, kind: str | None = "string") -> Schema:
    title, hint, example = told
    part: Schema = {"title": str(title), "description": str(hint)}
    return part | ({"type": kind} if kind else {}) | ({"examples": [example]} if example else {})


def _setting(name: str, member: Member) -> Schema:
    default = None if member.is_needed else member.default
    if isinstance(default, bool):
        kind = "boolean"
    elif isinstance(default, int):
        kind = "integer" if name == "port" else "number"
    else:
        kind = "string"
    part = _part(_SETTINGS[name], kind)
    return part if default is None else part | {"default": default}
