"""Tags and filters of the console's templates."""

from datetime import datetime
from typing import Any

from django import template
from django.templatetags.static import static
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.safestring import SafeString

from runs.presenters import text, times

register = template.Library()
register.filter("visible", text.visible)
register.filter("short_id", text.short_id)
register.filter("number", text.number)
register.filter("size", text.size)
register.filter("duration", times.duration)


@register.simple_tag
def icon(name: str, css_class: str = "i") -> SafeString:
    """Return an icon of the sprite; it is decoration, the word beside it carries the meaning."""
    return format_html(
        '<svg class="{}" aria-hidden="true"><use href="{}#{}"/></svg>', css_class, static("icons.svg"), name
    )


@register.simple_tag
def moment(at: datetime | None, now: datetime | None = None, *, exact: bool = False) -> SafeString | str:
    """Return a point in time as short as it can be told from `now`; the whole of it, with its zone, on hover."""
    if at is None:
        return "–"
    local = timezone.localtime(at)
    today = timezone.localtime(now).date() if now else None
    clock = "H:i:s" if exact else "H:i"
    shape = clock if local.date() == today else f"M j, {clock}"
    return format_html(
        '<time datetime="{}" title="{}">{}</time>',
        at.isoformat(),
        f"{date_format(local, 'Y-m-d H:i:s')} {local.tzname()}",
        date_format(local, shape),
    )


@register.simple_tag
def ticking(seconds: float | None, *, is_moving: bool = True) -> SafeString | str:
    """Return a duration that goes on counting in the browser while `is_moving`."""
    if seconds is None or not is_moving:
        return times.duration(seconds)
    return format_html('<span data-ticking="{}">{}</span>', round(seconds, 1), times.duration(seconds))


@register.simple_tag(takes_context=True)
def with_query(context: dict[str, Any], **changes: str) -> str:
    """Return the page's own query string with some parameters changed; an empty value takes one away."""
    query = context["request"].GET.copy()
    for name, value in changes.items():
        query.pop(name, None)
        if value:
            query[name] = value
    return f"?{query.urlencode()}"
