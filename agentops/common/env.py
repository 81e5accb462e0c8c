"""Reading the environment: typed, with `NAME_FILE` for secrets, and the home folder's defaults."""

import os
from pathlib import Path

# Names that `load_home_env` supplied: `make up` must not take what it wrote itself for the user's wish.
TAKEN_FROM_HOME: set[str] = set()


def home() -> Path:
    """Return the folder that holds this installation's data, logs and run-time files."""
    return Path(os.environ.get("AGENTOPS_HOME") or Path(__file__).resolve().parents[2] / ".agentops")


def load_home_env() -> None:
    """Take what `make up` wrote to `<home>/env` as defaults; the real environment wins."""
    try:
        lines = (home() / "env").read_text(encoding="utf-8").splitlines()
    except OSError:
        return
    for line in lines:
        name, separator, value = line.partition("=")
        if separator and not name.startswith("#") and name.strip() not in os.environ:
            os.environ[name.strip()] = value
            TAKEN_FROM_HOME.add(name.strip())


def env_str(name: str, default: str = "") -> str:
    return os.environ.get(name) or default


def env_bool(name: str, *, default: bool = False) -> bool:
    value = os.environ.get(name, "").strip().lower()
    return default if not value else value in {"1", "true", "yes", "on"}


def env_int(name: str, default: int) -> int:
    """Return the variable as a whole number.

    Raises: ValueError naming the variable, so that a typo stops the start with a sentence.
    """
    value = os.environ.get(name, "").strip()
    try:
        return int(value) if value else default
    except ValueError:
        raise ValueError(f"{name} must be a whole number, not {value!r}") from None


def env_secret(name: str, default: str = "") -> str:
    """Return the secret in `NAME`, or in the file that `NAME_FILE` names."""
    path = os.environ.get(f"{name}_FILE")
    return Path(path).read_text(encoding="utf-8").strip() if path else env_str(name, default)
