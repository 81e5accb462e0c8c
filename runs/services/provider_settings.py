"""What a provider is told: checked before it is stored."""

import ipaddress
import json
import re
from typing import Any
from urllib.parse import urlsplit

from agentops.common.types import JsonObject
from runs.engine.providers import EXAMPLES, ProviderKind
from runs.llm.service_account import account_of
from runs.services.checks import check_text, cleaned, misfit

MAX_MODELS = 100
MAX_KEY_CHARACTERS = 4000
MOST = 10**12
NUMBERS = ("context_tokens", "rpm", "tpm", "in_microusd_per_mtok", "out_microusd_per_mtok")
SLUG = re.compile(r"(?=.{2,60}\Z)[a-z0-9]+(-[a-z0-9]+)*")


def checked_slug(slug: str) -> str:
    """Return the name of a provider. Raises: InvalidInputError."""
    if not SLUG.fullmatch(slug) or slug == "new":
        raise misfit(
            "/slug", 'must have 2 to 60 lower-case letters, digits and single hyphens, and not be "new"'
        )
    return slug


def checked_url(kind: ProviderKind, given: str) -> str:
    """Return the address, the provider's own where none is given.

    A key must not travel in the clear, so plain http is for addresses of this machine or network only.
    Raises: InvalidInputError
    """
    address = given or kind.base_url
    if not address:
        raise misfit("/base_url", f"is missing: the address, such as {EXAMPLES[kind]}")
    check_text("/base_url", address, 500)
    try:
        parts = urlsplit(address)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        raise misfit("/base_url", "is no address") from None
    if parts.scheme not in ("http", "https") or not host or parts.username or parts.query or parts.fragment:
        raise misfit("/base_url", "must be https://host/path, without name, password, query and fragment")
    if parts.scheme == "http" and kind is ProviderKind.BEDROCK:
        raise misfit("/base_url", "must be https: Bedrock's keys are sent over nothing else")
    if parts.scheme == "http" and not _is_near(host):
        raise misfit("/base_url", "must be https: over plain http the key could be read on its way")
    return address.rstrip("/")


def checked_catalog(given: Any) -> list[JsonObject]:
    """Return the models of a provider. Raises: InvalidInputError with pointers."""
    models = cleaned(given if given is not None else [], what="the models")
    if not isinstance(models, list) or len(models) > MAX_MODELS:
        raise misfit("/models", f"must be a list of at most {MAX_MODELS} models")
    found = [_checked_model(f"/models/{n}", model) for n, model in enumerate(models)]
    names = [str(model["name"]) for model in found]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice:
        raise misfit("/models", f"names {twice!r} twice")
    return found


def checked_timeout(seconds: Any) -> float:
    """Return how long an answer may take. Raises: InvalidInputError."""
    is_number = isinstance(seconds, int | float) and not isinstance(seconds, bool)
    if not is_number or not 1 <= seconds <= 600:
        raise misfit("/timeout_seconds", "must be a number from 1 to 600")
    return float(seconds)


def checked_key(kind: ProviderKind, key: str) -> bytes:
    """Return the key's bytes. Raises: InvalidInputError."""
    key = _checked_account(key) if kind is ProviderKind.VERTEX else key
    if len(key) > MAX_KEY_CHARACTERS or not key.isascii() or not key.isprintable() or key != key.strip():
        raise misfit(
            "/key", f"must be at most {MAX_KEY_CHARACTERS:,} printable ASCII characters without spaces around"
        )
    return key.encode()


def _checked_account(key: str) -> str:
    """Return the JSON key of a service account on one line."""
    try:
        account = account_of(key)
    except ValueError as error:
        raise misfit("/key", str(error)) from None
    place = urlsplit(account["token_uri"])
    if place.scheme != "https" and not (place.scheme == "http" and _is_near(place.hostname or "")):
        raise misfit("/key", "must have an https address as token_uri")
    return json.dumps(account)


def _checked_model(at: str, model: Any) -> JsonObject:
    if not isinstance(model, dict) or not isinstance(model.get("name"), str):
        raise misfit(at, "must be an object with a name")
    check_text(f"{at}/name", model["name"], 200)
    unknown = sorted(set(model) - {"name", *NUMBERS})
    if unknown:
        raise misfit(f"{at}/{unknown[0]}"[:300], f"is not known; a model takes name, {', '.join(NUMBERS)}")
    for name in NUMBERS:
        value = model.get(name, 0)
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MOST:
            raise misfit(f"{at}/{name}", "must be a whole number, not below 0")
    return model


def _is_near(host: str) -> bool:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return "." not in host or host.endswith((".local", ".internal", ".localhost"))
    return address.is_loopback or address.is_private
