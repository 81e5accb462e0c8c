"""The tools of `price-watch`, `recruiter` and `portal-filing`: the market, the outbox and the portal of the demo site."""

import json
from urllib.parse import urlencode, urljoin

from django.conf import settings

from agentops.common.types import JsonObject, JsonValue
from runs.program import Effect, ToolCall, ToolError, tool
from runs.tools.http import RETRY, http_get, http_post


@tool("market.price", effect=Effect.READ, timeout_seconds=20.0, retry=RETRY)
def market_price(call: ToolCall, symbol: str) -> JsonObject:
    """Return the price of a symbol now, in cents."""
    page = http_get(call, price_url(symbol))
    found: JsonValue = json.loads(str(page["text"]))
    assert isinstance(found, dict)
    return found


@tool("market.buy", effect=Effect.WRITE, timeout_seconds=20.0, retry=RETRY)
def market_buy(call: ToolCall, symbol: str, quantity: int) -> JsonValue:
    """Buy at the price of the moment, once however often the order is sent."""
    return http_post(call, _at("/market/orders"), {"symbol": symbol, "quantity": quantity})["json"]


@tool(
    "mail.send", effect=Effect.WRITE, timeout_seconds=20.0, retry=RETRY, key_template="{to}|{subject}|{about}"
)
def mail_send(call: ToolCall, to: str, subject: str, text: str, about: str) -> JsonValue:
    """Send a mail: once for one recipient, subject and matter, whoever asks for it and however often."""
    return http_post(call, _at("/mail/outbox"), {"to": to, "subject": subject, "text": text})["json"]


@tool("portal.login", effect=Effect.READ, timeout_seconds=20.0, retry=RETRY)
def portal_login(call: ToolCall, user: str) -> JsonObject:
    """Sign in at the portal: `state` is `in`, or `wait` while it lets nobody in."""
    page = http_get(call, _at(f"/portal/login?{urlencode({'user': user})}"))
    found: JsonValue = json.loads(str(page["text"]))
    assert isinstance(found, dict)
    return found


@tool("portal.file", effect=Effect.WRITE, timeout_seconds=20.0, retry=RETRY, key_template="filing|{case}")
def portal_file(call: ToolCall, case: str, text: str) -> JsonValue:
    """File a case: once, whoever asks for it and however often."""
    return http_post(call, _at("/portal/filings"), {"case": case, "text": text})["json"]


def price_url(symbol: str) -> str:
    """Return where the price of a symbol stands. Raises: ToolError where there is no demo site."""
    return _at(f"/market/prices/{symbol}")


def _at(path: str) -> str:
    if not settings.DEMO_SITE_URL:
        raise ToolError(
            "there is no demo site here; start it, or set DEMO_SITE_URL", code="no_demo_site", retryable=False
        )
    return urljoin(settings.DEMO_SITE_URL, path)
