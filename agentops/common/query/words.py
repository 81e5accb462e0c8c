"""Which characters make a word, a quoted text, a key; shared by reading and writing, so that they agree."""

import re

NAME = r"[A-Za-z_][A-Za-z0-9_-]*"
QUOTED = r'"(?:[^"\\]|\\.)*"'
KEY = re.compile(rf"({NAME})((?:\.(?:{NAME}|{QUOTED}))*):", re.DOTALL)
PART = re.compile(rf"\.({NAME}|{QUOTED})", re.DOTALL)
SCOPE = re.compile(rf"({NAME})\(")
QUOTE = re.compile(QUOTED, re.DOTALL)
WORD = re.compile(r'[^\s"()]+')
VALUE_WORD = re.compile(r'[^\s"(),\[\]]+')
OPERATOR = re.compile(r">=|<=|[><=~]")
JOINTS = ("OR", "AND")

_PLAIN_NAME = re.compile(NAME)
_ESCAPED = re.compile(r'\\(["\\])')


def unquote(quoted: str) -> str:
    return _ESCAPED.sub(r"\1", quoted[1:-1])


def quote(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def is_name(text: str) -> bool:
    return _PLAIN_NAME.fullmatch(text) is not None


def is_plain_text(text: str) -> bool:
    """Return whether the word, without quotation marks, is read as nothing but a word."""
    return (
        WORD.fullmatch(text) is not None
        and text[0] not in "-!~"
        and text not in JOINTS
        and not KEY.match(text)
    )


def is_plain_value(text: str) -> bool:
    """Return whether the value, without quotation marks, is read as one value."""
    return VALUE_WORD.fullmatch(text) is not None and not OPERATOR.match(text) and ".." not in text
