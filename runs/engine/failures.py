"""What ended a node, and which class of errors that is."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

CLASSES: dict[str, tuple[str, ...]] = {
    "timeout": ("timeout", "*_timeout"),
    "rate_limited": ("rate_limited", "*_429"),
    "unavailable": ("http_5xx", "http_connect", "http_dns", "http_protocol", "http_408", "http_425", "*_unavailable"),
    "invalid_output": ("invalid_output", "output_schema", "http_content_type", "http_encoding", "http_too_large"),
    "invalid_state": ("state_schema", "update_invalid", "command_invalid"),
}  # fmt: skip
# What a person said, and what must not be gone round: no class and no pattern holds these, they must be named.
DECIDED = frozenset(
    {"rejected", "refused", "did_not_run", "given_up", "wait_cancelled", "wait_timeout", "premise_failed", "nondeterminism"}
)  # fmt: skip


def is_of(code: str, *classes: str) -> bool:
    """Return whether an error's code belongs to one of the classes, or is or fits what is named instead of a class."""
    if code in classes:
        return True
    patterns = [pattern for name in classes for pattern in CLASSES.get(name, (name,))]
    return code not in DECIDED and any(fnmatchcase(code, pattern) for pattern in patterns)


@dataclass(frozen=True, slots=True)
class Failure:
    """What ended a node.

    `tool`, `effect`, `timeout_seconds` and `requests` (the hex of their hashes) are of the call that failed, if one did; of
    calls made side by side, all that failed.
    """

    node: str
    code: str
    message: str
    tool: str = ""
    effect: str = ""
    timeout_seconds: float = 0.0
    requests: tuple[str, ...] = ()

    @property
    def is_write(self) -> bool:
        return self.effect in ("write", "destructive")


@dataclass(frozen=True, slots=True)
class World:
    """What only the shell can know.

    `effects` of other tools (missing: not installed), where the run has been, and the age of the answer that was kept of
    the read that failed (None: there is none).
    """

    effects: Mapping[str, str] = field(default_factory=dict)
    visited: frozenset[str] = frozenset()
    cached_age_seconds: float | None = None
