"""Providers of language models: their kinds, and how their models are named."""

from enum import StrEnum


class ProviderKind(StrEnum):
    """Whose wire a provider speaks; `compatible` is OpenAI's at any address."""

    OPENAI = "openai"
    ANTHROPIC = "anthropic"
    COMPATIBLE = "compatible"
    BEDROCK = "bedrock"
    VERTEX = "vertex"

    @property
    def base_url(self) -> str:
        """Return the address where it has one of its own."""
        return _ADDRESSES.get(self, "")


_ADDRESSES = {
    ProviderKind.OPENAI: "https://api.openai.com/v1",
    ProviderKind.ANTHROPIC: "https://api.anthropic.com",
}


# The wires that requests are made over; the others have a name and no client yet.
SPOKEN = (ProviderKind.OPENAI, ProviderKind.ANTHROPIC, ProviderKind.COMPATIBLE, ProviderKind.BEDROCK)
EXAMPLES = {
    ProviderKind.COMPATIBLE: "http://127.0.0.1:11434/v1",
    ProviderKind.BEDROCK: "https://bedrock-runtime.eu-central-1.amazonaws.com",
}


def split_model(reference: str) -> tuple[str, str]:
    """Return provider and model of `provider/model`; either is empty where it is left out."""
    provider, _, model = reference.partition("/")
    return provider, model
