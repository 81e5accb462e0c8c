"""What stuck runs have in common: node, reason and error, with all that differs from case to case taken out (pure)."""

import hashlib
import re

VERSION = "1"
MAX_CHARACTERS = 200

_PARTS = (
    (re.compile(r"[a-z][a-z0-9+.-]*://[^\s'\"<>]+"), "<url>"),
    (re.compile(r"[\w.+-]+@[\w-]+\.[\w.-]+"), "<mail>"),
    (re.compile(r"\b[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}\b"), "<id>"),
    (re.compile(r"'[^']{1,200}'|\"[^\"]{1,200}\"|“[^”]{1,200}”"), "<text>"),
    (re.compile(r"\b(?=\w*\d)[0-9a-f]{7,}\b"), "<id>"),
    (re.compile(r"\d+(?:[.,:]\d+)*"), "<n>"),
)


def normalised(text: str) -> str:
    """Return an error without numbers, ids, addresses and quoted words, so that the same trouble reads the same."""
    found = " ".join(text.lower()[:2000].split())
    for pattern, name in _PARTS:
        found = pattern.sub(name, found)
    return found[:MAX_CHARACTERS]


def fingerprint(*, reason: str, name: str, error: str) -> str:
    """Return the fingerprint of `error` as `normalised` gave it; the number before the hyphen is that of these rules."""
    told = "\x00".join((reason, name, error))
    return f"{VERSION}-{hashlib.sha256(told.encode()).hexdigest()[:20]}"
