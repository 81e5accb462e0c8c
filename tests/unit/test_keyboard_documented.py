"""docs/reference/keyboard.md and the sheet behind `?` name every key there is, and no other."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
OWNED = re.compile(r'data-key="([^"{]+)"|"(g \w)"')
OF_LISTS_AND_TREES = {"j", "k", "p", "x", "Enter", "Esc", "↑", "↓", "←", "→", "Home", "End", "Ctrl K", "⌘ K"}


def keys_in_templates() -> set[str]:
    sources = [*ROOT.glob("templates/**/*.html"), ROOT / "agentops" / "context_processors.py"]
    found = {a or b for path in sources for a, b in OWNED.findall(path.read_text(encoding="utf-8"))}
    return {key for keys in found for key in keys.split()}


def test_every_key_is_documented() -> None:
    documented = set(
        re.findall(r"`([^`]+)`", (ROOT / "docs/reference/keyboard.md").read_text(encoding="utf-8"))
    )
    assert documented == keys_in_templates() | OF_LISTS_AND_TREES


def test_the_sheet_shows_every_key() -> None:
    shown = set(
        re.findall(r"<kbd>([^<]+)</kbd>", (ROOT / "templates/_keys.html").read_text(encoding="utf-8"))
    )
    assert shown == keys_in_templates() | OF_LISTS_AND_TREES
