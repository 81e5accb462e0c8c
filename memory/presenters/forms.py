"""The forms of memory, as schemas of which the fields are made."""

from typing import Any

from django.utils.translation import gettext as _

from memory.engine.kinds import SpaceKind, WritePolicy


def space_schema() -> dict[str, Any]:
    """Return the schema of the form that makes a space."""
    return {
        "properties": {
            "slug": {"type": "string", "title": _("Name"), "description": _("Lower-case letters, digits and hyphens. Agents call it by this name.")},
            "kind": {"enum": [kind.value for kind in SpaceKind], "default": SpaceKind.SEMANTIC.value, "title": _("Kind"), "description": _("core: part of every prompt. episodic: what happened. semantic: what is so. procedural: how it is done.")},
            "title": {"type": "string", "title": _("Title")},
            "write_policy": {"enum": [policy.value for policy in WritePolicy], "default": WritePolicy.OPEN.value, "title": _("What agents write"), "description": _("open: it counts at once. review: a person accepts it first. closed: they may not.")},
            "default_ttl_seconds": {"type": "integer", "title": _("Forget after (seconds)"), "description": _("Empty: never.")},
            "max_items": {"type": "integer", "title": _("At most so many items"), "description": _("Beyond it the least important of those that are not pinned is forgotten. Empty: no bound.")},
        },
        "required": ["slug", "kind"],
    }  # fmt: skip


def item_schema(*, with_key: bool = False) -> dict[str, Any]:
    """Return the schema of the form that writes an item."""
    key = {
        "key": {
            "type": "string",
            "title": _("Key"),
            "description": _("What it is found by, once in the space."),
        }
    }
    return {
        "properties": {
            **(key if with_key else {}),
            "text": {"type": "string", "maxLength": 100_000, "title": _("Text"), "description": _("What is searched, and what models read.")},
            "tags": {"type": "array", "items": {"type": "string"}, "title": _("Tags")},
            "importance": {"type": "number", "default": 0.5, "title": _("Importance"), "description": _("From 0 to 1.")},
            "is_pinned": {"type": "boolean", "title": _("Pinned"), "description": _("It neither fades nor is forgotten to make room.")},
            "ttl_seconds": {"type": "number", "title": _("Forget after (seconds)"), "description": _("Empty: as the space says.")},
            "data": {"type": "object", "title": _("Data"), "description": _("JSON beside the text.")},
            "reason": {"type": "string", "title": _("Reason"), "description": _("For the history.")},
        },
        "required": ["key", "text"] if with_key else ["text"],
    }  # fmt: skip
