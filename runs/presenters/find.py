"""What was found in a run, as rows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.utils.translation import gettext_lazy

from runs.presenters import text
from runs.presenters.status import Words
from runs.selectors.console.find import Hit

_WHERE: dict[str, Words] = {
    "name": gettext_lazy("in its name"),
    "log": gettext_lazy("in its log"),
    "attempt": gettext_lazy("in a failed attempt"),
    "input": gettext_lazy("in its input"),
    "output": gettext_lazy("in its output"),
    "state": gettext_lazy("in what it wrote"),
}


@dataclass(frozen=True, slots=True)
class HitRow:
    """A hit with the step's name, where it is in words, and the text around it, on one line each."""

    seq: int
    name: str
    where: Words
    before: str
    found: str
    after: str


def hit_rows(hits: Sequence[Hit], names: Mapping[int, str]) -> list[HitRow]:
    return [
        HitRow(
            hit.seq, text.line(names.get(hit.seq, ""), 60), _WHERE[hit.where],
            text.visible(hit.before), text.visible(hit.found), text.visible(hit.after),
        )
        for hit in hits
    ]  # fmt: skip
