"""What a model is saying just now."""

from typing import Any
from uuid import UUID

from django import template

from runs.llm import partial

register = template.Library()


@register.simple_tag
def said(run_id: UUID) -> dict[str, Any] | None:
    """Return what a model has said so far for the run, the end of it: `model`, `text`, `characters`; None for nothing."""
    found = partial.told(run_id)
    return found and {**found, "text": found["text"][-500:]}
