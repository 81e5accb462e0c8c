"""Which verbs stand in SQL, wherever they stand in it, and not in its texts, names and comments (pure).

It is a net for asking people and for refusing, never the wall: that is what the role of the connection may do.
"""

import re

# Read from left to right, so that a quote inside a comment and a comment inside a quote are what they are to PostgreSQL.
# Of a comment in a comment the rest counts as SQL, which can only add verbs.
_NO_SQL = re.compile(
    r"""--[^\n]* | /\*.*?\*/ | \bE'(?:[^'\\]|\\.|'')*' | '(?:[^']|'')*' | \$(\w*)\$.*?\$\1\$ | "(?:[^"]|"")*" """,
    re.DOTALL | re.VERBOSE | re.IGNORECASE,
)
_VERBS = re.compile(
    r"\b(SELECT|INSERT|UPDATE|DELETE|MERGE|TRUNCATE|DROP|ALTER|CREATE|GRANT|REVOKE|COPY|CALL|DO)\b", re.IGNORECASE
)  # fmt: skip
_ON_CONFLICT = re.compile(r"\bDO\s+(?:UPDATE|NOTHING)\b", re.IGNORECASE)
_FIRST = re.compile(r"\s*(\w+)")
_CHANGING = frozenset({"SELECT", "INSERT", "UPDATE"})


def verbs_in(sql: str) -> frozenset[str]:
    """Return the verbs, in capitals, also those that stand inside others: `WITH x AS (DELETE …)`."""
    return frozenset(verb.upper() for verb in _VERBS.findall(bare(sql)))


def is_change(sql: str) -> bool:
    """Return whether it only inserts or updates rows, as far as its verbs tell."""
    plain = _ON_CONFLICT.sub(" UPDATE ", bare(sql))
    first = _FIRST.match(plain)
    verbs = {verb.upper() for verb in _VERBS.findall(plain)}
    begins_well = first is not None and first[1].upper() in ("INSERT", "UPDATE", "WITH")
    return begins_well and verbs <= _CHANGING and bool(verbs & {"INSERT", "UPDATE"})


def bare(sql: str) -> str:
    """Return the SQL without its texts, quoted names and comments."""
    return _NO_SQL.sub(lambda found: " " if found[0].startswith(("--", "/*")) else " '' ", sql)
