"""What is known of an action when rules look at it, read from its real arguments (pure)."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from agentops.common.types import JsonObject, JsonValue
from runs.engine.sql_verbs import verbs_in

_SQL_NAMES = frozenset({"sql", "query", "statement", "statements", "command"})
_EMAIL = re.compile(r"[^\s@<>]{1,64}@[^\s@<>]{1,255}\.[a-z]{2,}", re.IGNORECASE)
_CARD = re.compile(r"(?<!\d)(?:\d[ -]?){13,19}(?!\d)")
_IBAN = re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?\b")
_SSN = re.compile(r"\b\d{3}-\d{2}-\d{4}\b")
_HEALTH = re.compile(
    r"\b(diagnos\w+|patient|prescription|icd-?10|medical record|mrn|allerg\w+|hiv|blood type)\b", re.IGNORECASE
)  # fmt: skip
_SECRET = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY|\b(?:AKIA[0-9A-Z]{16}|ghp_\w{36}|sk-[\w-]{20,}|xox[bap]-[\w-]{10,})"
)
DATA_CLASSES = ("personal", "payment", "health", "secret")
MAX_TEXT_CHARACTERS = 100_000


@dataclass(frozen=True, slots=True)
class Facts:
    """An action as rules see it. `taints` and `data_classes` come from the run's tags (`taint:web`, `data:health`) too."""

    agent: str
    tool: str
    effect: str
    args: JsonObject = field(default_factory=dict)
    cost_microusd: int = 0
    tags: tuple[str, ...] = ()

    @property
    def is_write(self) -> bool:
        return self.effect in ("write", "destructive")

    @property
    def sql_verbs(self) -> frozenset[str]:
        """Return the verbs of all SQL in the arguments, also of those that stand inside others: `WITH x AS (DELETE …)`."""
        told = " ".join(text for name, text in _texts(self.args) if name.lower() in _SQL_NAMES)
        return verbs_in(told[:MAX_TEXT_CHARACTERS])

    @property
    def taints(self) -> frozenset[str]:
        return frozenset(tag.removeprefix("taint:") for tag in self.tags if tag.startswith("taint:"))

    @property
    def data_classes(self) -> frozenset[str]:
        """Return what kinds of data the arguments seem to hold: a net with wide meshes, for asking, never for allowing."""
        tagged = {tag.removeprefix("data:") for tag in self.tags if tag.startswith("data:")}
        text = " ".join(text for _, text in _texts(self.args))[:MAX_TEXT_CHARACTERS]
        return frozenset(tagged | set(_classes(text)))


def _classes(text: str) -> Iterator[str]:
    if _EMAIL.search(text) or _SSN.search(text):
        yield "personal"
    if _IBAN.search(text) or any(_is_card(found) for found in _CARD.findall(text)):
        yield "payment"
    if _HEALTH.search(text):
        yield "health"
    if _SECRET.search(text):
        yield "secret"


def _is_card(text: str) -> bool:
    """Return whether the digits pass Luhn's check."""
    digits = [int(one) for one in text if one.isdigit()]
    doubled = [sum(divmod(2 * one, 10)) for one in digits[-2::-2]]
    return sum(digits[::-2]) + sum(doubled) > 0 and (sum(digits[::-2]) + sum(doubled)) % 10 == 0


def _texts(value: JsonValue, name: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _texts(item, key)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item, name)
    elif isinstance(value, str):
        yield name, value
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield name, str(value)
