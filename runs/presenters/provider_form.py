"""The form of a provider, in which models are written one a line: `gpt-5-mini in=0.25 out=2 rpm=500 tpm=200000`."""

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from agentops.common.types import JsonObject
from runs.engine.providers import EXAMPLES, ProviderKind
from runs.models import Provider
from runs.presenters.event_forms import PlainForm, form_of

KINDS: dict[ProviderKind, tuple[str | Promise, str | Promise]] = {
    ProviderKind.OPENAI: ("OpenAI", gettext_lazy("Its own service, or one at another address with the same wire.")),
    ProviderKind.ANTHROPIC: ("Anthropic", gettext_lazy("Its own service, or one at another address with the same wire.")),
    ProviderKind.COMPATIBLE: (gettext_lazy("OpenAI-compatible"), gettext_lazy("Any server that speaks OpenAI's wire: Ollama, vLLM, llama.cpp, a gateway.")),
    ProviderKind.BEDROCK: ("AWS Bedrock", gettext_lazy("Its Converse wire, with a Bedrock API key; needs the extra bedrock.")),
    ProviderKind.VERTEX: ("Google Vertex", gettext_lazy("OpenAI's wire as Vertex speaks it, with the JSON key of a service account.")),
}  # fmt: skip
_WORDS = {"in": "in_microusd_per_mtok", "out": "out_microusd_per_mtok", "rpm": "rpm", "tpm": "tpm", "context": "context_tokens"}  # fmt: skip
_MONEY = ("in", "out")
_NAMES = {ProviderKind.ANTHROPIC: "anthropic", ProviderKind.COMPATIBLE: "ollama", ProviderKind.BEDROCK: "aws", ProviderKind.VERTEX: "google"}  # fmt: skip
_MODELS = {
    ProviderKind.ANTHROPIC: "claude-sonnet-4-5", ProviderKind.COMPATIBLE: "qwen3:8b", ProviderKind.VERTEX: "google/gemini-2.5-flash",
    ProviderKind.BEDROCK: "eu.anthropic.claude-sonnet-4-5-20250929-v1:0",
}  # fmt: skip


def provider_schema(kind: ProviderKind, *, is_new: bool, has_key: bool = False) -> JsonObject:
    """Return the schema of the form."""
    key_hint = _("Stored sealed, and never shown again.")
    if has_key:
        key_hint = _("Empty: the one that is there stays. It is never shown.")
    properties: dict[str, Any] = {}
    if is_new:
        properties["slug"] = _part(
            _("Name"),
            _("Lower-case letters, digits and hyphens. Agents say name/model."),
            _NAMES.get(kind, "openai"),
        )
    properties["base_url"] = _part(_("Address"), _address_hint(kind), kind.base_url or EXAMPLES[kind])  # fmt: skip
    is_account = kind is ProviderKind.VERTEX
    properties["key"] = _part(_("Key"), key_hint, "sk-…")
    if is_account:
        properties["key"] = _part(
            _("Service account key, as JSON"), key_hint, '{"type": "service_account", …}'
        )
        properties["key"] |= {"format": "multiline"}
    models_hint = _("One a line, the first is the one that the provider's bare name means. Behind it, where known: in= and out= (US dollars for a million tokens), rpm= and tpm= (limits a minute), context= (tokens).")  # fmt: skip
    properties["models"] = _part(_("Models"), models_hint, f"{_MODELS.get(kind, 'gpt-5-mini')} in=0.25 out=2 rpm=500 tpm=200000") | {"maxLength": 10_000}  # fmt: skip
    properties["timeout_seconds"] = {
        "title": _("Seconds that an answer may take"),
        "type": "number",
        "default": 120,
    }
    needed = ["slug", *(["key"] if is_account else [])] if is_new else []
    return {"properties": properties, "required": [*needed, *([] if kind.base_url else ["base_url"])]}


def _address_hint(kind: ProviderKind) -> str:
    if kind is ProviderKind.BEDROCK:
        return _("That of its runtime in your region.")
    if kind is ProviderKind.VERTEX:
        return _("That of your project and region, up to endpoints/openapi.")
    return _("Empty: the provider's own.") if kind.base_url else _("Up to and with /v1.")


def provider_form(
    kind: ProviderKind, posted: Mapping[str, Any] | None, provider: Provider | None = None
) -> PlainForm:
    """Return the form, as somebody filled it, or with what the provider has."""
    schema = provider_schema(
        kind, is_new=provider is None, has_key=bool(provider and provider.__dict__.get("has_secret"))
    )
    given: JsonObject | None = None
    if provider is not None:
        given = {
            "base_url": provider.base_url, "models": lines_of(provider.catalog),
            "timeout_seconds": provider.timeout_seconds,
        }  # fmt: skip
    return form_of(schema, posted, given)


def models_of(text: str) -> list[JsonObject]:
    """Return the models that the lines name.

    Raises: ValueError naming the line.
    """
    lines = [line.split() for line in text.splitlines() if line.strip()]
    return [{"name": words[0]} | dict(_word(words[0], word) for word in words[1:]) for words in lines]


def lines_of(catalog: list[Any]) -> str:
    """Return the models as lines."""
    return "\n".join(" ".join([str(model["name"]), *_words(model)]) for model in catalog)


def _words(model: Mapping[str, Any]) -> list[str]:
    return [
        f"{word}={_told(word, model[name])}" for word, name in _WORDS.items() if model.get(name) is not None
    ]


def _told(word: str, value: int) -> str:
    return f"{(Decimal(value) / 1_000_000).normalize():f}" if word in _MONEY else str(value)


def _word(model: str, word: str) -> tuple[str, int]:
    name, _equals, value = word.partition("=")
    number = _number(value, 1_000_000 if name in _MONEY else 1)
    if name not in _WORDS or number is None:
        raise ValueError(
            _(
                "%(model)s: “%(word)s” is not understood; write in=0.25, out=2, rpm=500, tpm=200000 or context=128000"
            )
            % {"model": model, "word": word}
        )
    return _WORDS[name], number


def _number(text: str, factor: int) -> int | None:
    try:
        number = Decimal(text) * factor
    except InvalidOperation:
        return None
    return int(number) if number.is_finite() and number == number.to_integral_value() else None


def _part(title: str, hint: str, example: str) -> dict[str, Any]:
    return {"type": "string", "title": title, "description": hint, "examples": [example]}
