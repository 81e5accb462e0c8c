"""Text that strangers wrote, made safe to look at; sizes, numbers and money in words people read.

Escaping is the template's work. Here, what a browser or terminal would obey silently becomes visible: control
characters, and the Unicode marks that reorder or hide text.
"""

import re

_CONTROL = [code for code in [*range(0x20), 0x7F] if chr(code) not in "\n\t"]
_HIDDEN = [*range(0x80, 0xA0), 0xAD, 0x61C, 0x180E, 0x200B, 0x200E, 0x200F, *range(0x2028, 0x202F),
           *range(0x2060, 0x2070), 0xFEFF, *range(0xFFF9, 0xFFFC)]  # fmt: skip
_TABLE = {code: f"⟨U+{code:04X}⟩" for code in _CONTROL + _HIDDEN}
_SUSPECT = re.compile("[" + "".join(re.escape(chr(code)) for code in _TABLE) + "\U000e0000-\U000e007f]")
_SPACES = re.compile(r"\s+")


def visible(text: object) -> str:
    """Return the text with control, reordering and hidden characters shown as marks like ⟨U+202E⟩."""
    return _SUSPECT.sub(lambda found: _TABLE.get(ord(found[0]), f"⟨U+{ord(found[0]):04X}⟩"), str(text))


def line(text: object, limit: int = 200) -> str:
    """Return the text on one line, visible, and no longer than `limit` characters."""
    return shorten(visible(_SPACES.sub(" ", str(text)[: limit * 4]).strip()), limit)


def shorten(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"


def short_id(identifier: object) -> str:
    """Return the telling ends of an identifier; the first characters of ours are only the time."""
    plain = str(identifier)
    return plain if len(plain) <= 16 else f"{plain[:8]}…{plain[-4:]}"


def size(n_bytes: int) -> str:
    if n_bytes < 1000:
        return f"{n_bytes} B"
    if n_bytes < 1_000_000:
        return f"{n_bytes / 1000:.{1 if n_bytes < 10_000 else 0}f} KB"
    return f"{n_bytes / 1_000_000:.1f} MB"


def number(value: int) -> str:
    return f"{value:,}"


def money(microusd: int) -> str:
    """Return US dollars; amounts under a cent keep two telling digits."""
    dollars = microusd / 1_000_000
    return f"${dollars:,.2f}" if not microusd or dollars >= 0.01 else f"${dollars:.2g}"
