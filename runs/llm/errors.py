"""What may go wrong with a request to a model, in five kinds that the ladder tells apart."""

from dataclasses import dataclass
from enum import StrEnum

from runs.llm.request import Usage


class Trouble(StrEnum):
    """A kind of failure; the value is the error's code."""

    THROTTLED = "rate_limited"
    UNAVAILABLE = "model_unavailable"
    TIMEOUT = "model_timeout"
    BAD_ANSWER = "invalid_output"
    REFUSED = "model_refused"

    @property
    def is_of_provider(self) -> bool:
        """Whether another provider may do better, and this one should be left alone if it goes on."""
        return self in (Trouble.UNAVAILABLE, Trouble.TIMEOUT)


@dataclass(slots=True)
class ModelError(Exception):
    """A request failed. `retry_after_seconds` is what the provider asked for, `headers` what came with its answer.

    `may_be_billed`: the provider may have worked on it all the same, and charge for it; `usage` is for what, where known.
    """

    trouble: Trouble
    message: str
    retry_after_seconds: float | None = None
    headers: dict[str, str] | None = None
    may_be_billed: bool = False
    usage: Usage | None = None

    def __str__(self) -> str:
        return self.message
