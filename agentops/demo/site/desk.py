"""The desk of the demo site: a market with prices and orders, an outbox for mails, a portal for filings. Each write counts once a key.

It keeps what it did in a file, so that a site that was started anew honours the keys of its former life.
"""

import hashlib
import json
import math
import re
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from agentops.demo.site.reports import Answer

SYMBOL = re.compile(r"[A-Z0-9]{1,12}")
SWING_SECONDS = 180.0


class Desk:
    """Prices, orders and mails. `now` is the clock that prices move by until somebody sets them."""

    def __init__(self, ledger: Path | None = None, *, now: Callable[[], float] = time.time) -> None:
        self._ledger, self._now = ledger, now
        self._lock = threading.Lock()
        self._prices: dict[str, int] = {}
        self._answers: dict[str, tuple[str, Answer]] = {}
        self._applied: Counter[str] = Counter()
        self.entries: list[dict[str, Any]] = []
        self.is_door_open = True
        if ledger and ledger.exists():
            self._read_back(ledger)

    def price(self, symbol: str) -> dict[str, Any] | None:
        """Return the price of a symbol in cents; it swings by a tenth every few minutes until somebody sets it."""
        if not SYMBOL.fullmatch(symbol):
            return None
        return {"symbol": symbol, "price_cents": self._prices.get(symbol) or self._swinging(symbol)}

    def set_price(self, symbol: str, body: Any) -> Answer:
        """Fix the price of a symbol."""
        cents = body.get("price_cents") if isinstance(body, dict) else None
        if not SYMBOL.fullmatch(symbol) or not isinstance(cents, int) or cents <= 0:
            return Answer(422, {"detail": 'send {"price_cents": …}, more than 0, to /market/prices/<SYMBOL>'})
        self._prices[symbol] = cents
        return Answer(200, {"symbol": symbol, "price_cents": cents})

    def order(self, body: Any, key: str) -> Answer:
        """Buy at the price of the moment: 201 with the order."""
        fields = {"symbol": str, "quantity": int}
        return self._once("order", body, key, fields, lambda: self.price(str(body["symbol"])) or {})

    def mail(self, body: Any, key: str) -> Answer:
        """Put a mail into the outbox: 201 with its number."""
        return self._once("mail", body, key, {"to": str, "subject": str, "text": str}, dict)

    def sign_in(self) -> dict[str, Any]:
        """Let somebody into the portal, or tell them to try again while its door is shut."""
        return {"state": "in"} if self.is_door_open else {"state": "wait", "message": "Please try again."}

    def set_door(self, body: Any) -> Answer:
        """Open or shut the door of the portal."""
        is_open = body.get("is_open") if isinstance(body, dict) else None
        if not isinstance(is_open, bool):
            return Answer(422, {"detail": 'send {"is_open": true} or {"is_open": false} to /portal/door'})
        self.is_door_open = is_open
        return Answer(200, {"is_open": is_open})

    def file(self, body: Any, key: str) -> Answer:
        """Take in a filing: 201 with its number; 403 while the door is shut."""
        if not self.is_door_open:
            return Answer(403, {"detail": "Sign in first."})
        return self._once("filing", body, key, {"case": str, "text": str}, dict)

    def figures(self) -> dict[str, int]:
        """Return how often each key was applied."""
        with self._lock:
            return dict(self._applied)

    def _once(
        self, what: str, body: Any, key: str, fields: dict[str, type], more: Callable[[], dict[str, Any]]
    ) -> Answer:
        if not isinstance(body, dict) or not all(
            isinstance(body.get(name), kind) for name, kind in fields.items()
        ):
            return Answer(422, {"detail": f"a {what} is a JSON object with {', '.join(fields)}"})
        digest = hashlib.sha256(json.dumps([what, body], sort_keys=True).encode()).hexdigest()
        with self._lock:
            known = self._answers.get(key)
            if known and known[0] != digest:
                return Answer(409, {"detail": f"the idempotency key {key!r} was used for something else"})
            if known:
                return Answer(known[1].status, known[1].body, is_repeated=True)
            entry = {
                "what": what,
                "key": key,
                "digest": digest,
                "id": f"{what}-{len(self.entries) + 1}",
                **body,
                **more(),
            }
            self._append(entry)
            return self._apply(entry)

    def _apply(self, entry: dict[str, Any]) -> Answer:
        self.entries.append(entry)
        self._applied[entry["key"] or "(none)"] += 1
        told = {name: value for name, value in entry.items() if name not in ("key", "digest")}
        answer = Answer(201, told)
        if entry["key"]:
            self._answers[entry["key"]] = (entry["digest"], answer)
        return answer

    def _swinging(self, symbol: str) -> int:
        base = 5_000 + int(hashlib.sha256(symbol.encode()).hexdigest()[:4], 16) % 20_000
        return round(base * (1 + 0.1 * math.sin(2 * math.pi * self._now() / SWING_SECONDS)))

    def _append(self, entry: dict[str, Any]) -> None:
        if self._ledger:
            with self._ledger.open("a", encoding="utf-8") as file:
                file.write(json.dumps(entry) + "\n")

    def _read_back(self, ledger: Path) -> None:
        *lines, torn = ledger.read_text(encoding="utf-8").split("\n")
        for entry in map(json.loads, lines):
            self._apply(entry)
        if torn:  # a crash cut this line short; it was never answered
            ledger.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
