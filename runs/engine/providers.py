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
EXAMPLES = {
    ProviderKind.COMPATIBLE: "http://127.0.0.1:11434/v1",
    ProviderKind.BEDROCK: "https://bedrock-runtime.eu-central-1.amazonaws.com",
    ProviderKind.VERTEX: "https://europe-west1-aiplatform.googleapis.com/v1/projects/…/locations/europe-west1/endpoints/openapi",
}


def split_model(reference: str) -> tuple[str, str]:
    """Return provider and model of `provider/model`; either is empty where it is left out."""
    provider, _, model = reference.partition("/")
    return provider, model
