"""How large the faults are: short in CI, long by `make chaos`; which ones chance picks is decided by a seed."""

import os
import random
from typing import TypeVar

T = TypeVar("T")

IS_LONG = os.environ.get("CHAOS") == "long"
SEED = os.environ.get("CHAOS_SEED", "7")


def form(*, short: T, long: T) -> T:
    """Return the value for the form in force."""
    return long if IS_LONG else short


def chance(test: str) -> random.Random:
    """Return what picks the victims of a test; the same seed picks the same ones."""
    return random.Random(f"{SEED}:{test}")
