"""Names of tools as providers take them: letters, digits, `_` and `-`, at most 64."""

import re
from collections.abc import Iterable

_OTHER = re.compile(r"[^a-zA-Z0-9_-]")
MAX_CHARACTERS = 64


class ToolNames:
    """Our names and those on the wire, one to one: `http.get` is `http_get` there."""

    def __init__(self, names: Iterable[str]) -> None:
        self._wire: dict[str, str] = {}
        self._ours: dict[str, str] = {}
        for name in names:
            self.wire(name)

    def wire(self, name: str) -> str:
        """Return the name on the wire; another number behind it where two of ours would be the same."""
        if name not in self._wire:
            plain = _OTHER.sub("_", name)[:MAX_CHARACTERS] or "_"
            chosen, n = plain, 2
            while chosen in self._ours:
                chosen, n = f"{plain[: MAX_CHARACTERS - 4]}_{n}", n + 1
            self._wire[name], self._ours[chosen] = chosen, name
        return self._wire[name]

    def ours(self, name: str) -> str:
        """Return our name; what the model made up stays as it is."""
        return self._ours.get(name, name)
