"""The product's own settings, typed and frozen; every key stands in docs/reference/settings.md."""

from dataclasses import dataclass, fields
from functools import lru_cache

from django.conf import settings
from django.core.signals import setting_changed


@dataclass(frozen=True, slots=True)
class Conf:
    """Numbers the runtime goes by; set them in `settings.AGENTOPS`."""

    input_max_bytes: int = 1 << 20
    value_max_bytes: int = 4 << 20
    request_max_bytes: int = 2 << 20
    slice_seconds: float = 4.0
    slice_steps: int = 500
    drain_seconds: float = 60.0
    worker_poll_seconds: float = 1.0
    beat_seconds: float = 2.0
    lease_beats: int = 5
    clock_tick_seconds: float = 0.25
    node_timeout_seconds: float = 600.0
    timeout_grace_seconds: float = 30.0
    poison_losses: int = 3
    state_cache_runs: int = 64
    node_max_actions: int = 1000
    child_max_depth: int = 20
    children_max_bytes: int = 1 << 20
    integrity_key_id: int = 1
    callback_timeout_seconds: float = 15.0
    callback_slots: int = 16
    approval_grant_seconds: int = 900
    retention_hour_utc: int = 2
    workspace_max_files: int = 2000
    workspace_file_max_bytes: int = 16 << 20
    workspace_max_bytes: int = 64 << 20

    @property
    def lease_seconds(self) -> float:
        """How long without a beat before a worker counts as dead."""
        return self.beat_seconds * self.lease_beats


@lru_cache(maxsize=1)
def conf() -> Conf:
    """Return the settings in force."""
    known = {field.name for field in fields(Conf)}
    given = getattr(settings, "AGENTOPS", {})
    unknown = set(given) - known
    if unknown:
        raise ValueError(f"unknown keys in settings.AGENTOPS: {', '.join(sorted(unknown))}")
    return Conf(**given)


def _forget(*, setting: str, **_: object) -> None:
    if setting == "AGENTOPS":
        conf.cache_clear()


setting_changed.connect(_forget)
