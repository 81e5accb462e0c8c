"""The form that forks a run: what somebody typed, what it asks for, and what would become of the world."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from agentops.common.errors import AgentOpsError, InvalidInputError
from agentops.common.types import JsonValue
from runs.checkpoints.diff import diff, escape, same_json
from runs.engine.reuse import FORK_MODES, Mode
from runs.presenters import json_tree, text, times
from runs.presenters.effects import MEANS, fate_words
from runs.presenters.status import Chip, Words
from runs.selectors.effects import Behind
from runs.services.fork_plan import ForkRequest

EDITABLE_CHARACTERS = 60_000
SHORT_CHARACTERS = 8_000
KEEP = "$keep"
NAMES: dict[Mode, Words] = {
    Mode.RECORDED: gettext_lazy("Recorded"),
    Mode.DRY: gettext_lazy("Dry"),
    Mode.LIVE: gettext_lazy("Live"),
}


@dataclass(frozen=True, slots=True)
class ModeChoice:
    value: str
    label: Words
    hint: Words
    is_chosen: bool


@dataclass(frozen=True, slots=True)
class EffectLine:
    """One write behind the place, and its fate in each mode that is shown."""

    seq: int
    tool: str
    args: str
    key: str
    fates: list[Chip]


@dataclass(slots=True)
class ForkForm:
    """The form as somebody filled it; what does not fit stands in `errors` at its field, or in `told`.

    `state` and `input` are JSON, empty where they are too long to be edited; `patch` is JSON Patch, used then instead of
    `state`. `output` is what the action at which the fork begins should have returned.
    """

    seq: int
    mode: str = Mode.RECORDED.value
    state: str = ""
    patch: str = ""
    output: str = ""
    input: str = ""
    version: str = ""
    reason: str = ""
    keep_signals: bool = False
    errors: dict[str, str] = field(default_factory=dict)
    told: list[str] = field(default_factory=list)

    @property
    def modes(self) -> list[ModeChoice]:
        return [
            ModeChoice(mode.value, label, MEANS[mode], mode.value == self.mode)
            for mode, label in NAMES.items()
        ]

    def request(
        self, before: Any, given: JsonValue, recorded: Any, *, has_output: bool
    ) -> ForkRequest | None:
        """Return what is asked for; None when a field cannot be read, which then bears the error.

        Args:
            before: the state it would begin with.
            given: the input of the run.
            recorded: what the action returned at which it begins.
            has_output: whether there is such an action.
        """
        state = self._state(before)
        new_input = self._read("input", self.input, given)
        patch = self._read("patch", self.patch, []) if self.patch else diff(before, state)
        output = self._read("output", self.output, recorded) if has_output else recorded
        if self.mode not in {mode.value for mode in FORK_MODES}:
            self.errors["mode"] = _("Say how it treats the world.")
        if not isinstance(patch, list):
            self.errors["patch"] = _("This must be a list of operations.")
        if self.errors:
            return None
        assert isinstance(patch, list)
        is_edited = has_output and not same_json(output, recorded)
        return ForkRequest(
            seq=self.seq, effect_mode=self.mode, reason=self.reason, state_patch=patch or None,
            outputs={self.seq: output} if is_edited else None, keep_signals=self.keep_signals,
            input=new_input, has_input=not same_json(new_input, given),
            version=int(self.version) if self.version.isdecimal() and len(self.version) < 9 else None,
        )  # fmt: skip

    def refuse(self, error: AgentOpsError) -> None:
        """Put an error at the field that it is about."""
        detail = text.line(error.detail, 400)
        pointers = [str(one.get("pointer", "")) for one in error.data.get("errors", ())]
        place = next(
            (_PLACES[p.split("/")[1]] for p in pointers if "/" in p and p.split("/")[1] in _PLACES), ""
        )
        if not place and isinstance(error, InvalidInputError):
            place = (
                "output"
                if detail.startswith("the output")
                else "state"
                if detail.startswith("the state")
                else ""
            )
        if place == "state" and not self.state:
            place = "patch"
        if place:
            self.errors[place] = detail
        else:
            self.told.append(detail)

    def _state(self, before: Any) -> JsonValue:
        typed = self._read("state", self.state, before)
        try:
            return restored(typed, before) if KEEP in self.state else typed
        except KeyError as error:
            self.errors["state"] = _("There is nothing at %(place)s to keep.") % {
                "place": text.line(error.args[0], 80)
            }
            return typed

    def _read(self, name: str, typed: str, otherwise: JsonValue) -> JsonValue:
        if not typed.strip():
            return otherwise
        try:
            value: JsonValue = json.loads(typed)
        except json.JSONDecodeError as error:
            told = _("This is not JSON: line %(line)d, column %(column)d: %(what)s.")
            self.errors[name] = told % {"line": error.lineno, "column": error.colno, "what": error.msg}
        except RecursionError:
            self.errors[name] = _("This is nested too deeply.")
        else:
            return value
        return otherwise


_PLACES = {
    "state_patch": "state",
    "input": "input",
    "outputs": "output",
    "version": "version",
    "effect_mode": "mode",
}


def editable(state: Any) -> str:
    """Return a state as JSON to be edited, its long members by reference (`{"$keep": "/pages"}`); empty when it cannot be.

    `restored` puts the members back.
    """
    if not isinstance(state, dict) or KEEP in json.dumps(state, ensure_ascii=False):
        return pretty(state)
    sizes = {key: len(json.dumps(value, ensure_ascii=False)) for key, value in state.items()}
    if sum(sizes.values()) <= SHORT_CHARACTERS:
        return pretty(state)
    return pretty({
        key: {KEEP: f"/{escape(key)}"} if sizes[key] > SHORT_CHARACTERS // 4 else value for key, value in state.items()
    })  # fmt: skip


def restored(typed: JsonValue, before: Any) -> JsonValue:
    """Return a state that was edited, with the members that stood there by reference.

    Raises: KeyError for a reference to what is not there.
    """
    if isinstance(typed, dict):
        if typed.keys() == {KEEP}:
            try:
                found: JsonValue = json_tree.at(before, str(typed[KEEP]))
            except KeyError:
                raise KeyError(str(typed[KEEP])) from None
            return found
        return {key: restored(value, before) for key, value in typed.items()}
    if isinstance(typed, list):
        return [restored(value, before) for value in typed]
    return typed


def pretty(value: Any) -> str:
    """Return a value as JSON to be edited; empty when it is too long for that."""
    written = json.dumps(value, indent=2, ensure_ascii=False)
    return written if len(written) <= EDITABLE_CHARACTERS else ""


def effect_lines(behinds: Sequence[Behind]) -> list[EffectLine]:
    """Return the writes behind a place, with their fates in the order of `behinds`."""
    return [
        EffectLine(
            effects[0].seq, text.line(effects[0].tool, 80), text.line(json.dumps(effects[0].args, ensure_ascii=False), 160),
            text.line(effects[0].key, 60), [fate_words(effect.fate) for effect in effects],
        )
        for effects in zip(*(behind.effects for behind in behinds), strict=True)
    ]  # fmt: skip


def estimate(behind: Behind, mode: Mode) -> str:
    """Return what going on from there may cost, going by what the run itself spent behind the place."""
    told = {
        "n": text.number(behind.n_actions), "cost": text.money(behind.cost_microusd), "tokens": text.number(behind.tokens),
        "time": times.duration(behind.seconds),
    }  # fmt: skip
    if not behind.n_actions:
        return _("No action was done behind this place, so there is nothing to go by.")
    if mode is Mode.RECORDED:
        if not behind.cost_microusd:
            return (
                _(
                    "Nothing while the requests stay equal; the %(n)s actions behind this place cost nothing either."
                )
                % told
            )
        return (
            _(
                "Nothing while the requests stay equal; about %(cost)s if all %(n)s actions had to be done anew."
            )
            % told
        )
    if not behind.cost_microusd:
        return _("Nothing to pay, going by the %(n)s actions behind this place; they took %(time)s.") % told
    return (
        _(
            "About %(cost)s and %(tokens)s tokens, as the %(n)s actions behind this place took; they ran %(time)s."
        )
        % told
    )


def fates_of(behind: Behind) -> list[tuple[Chip, int]]:
    """Return what becomes of the writes behind a place: each fate, and of how many."""
    return [(fate_words(fate), n) for fate, n in Counter(effect.fate for effect in behind.effects).items()]


def posted(data: Mapping[str, str], seq: int) -> ForkForm:
    """Return the form as it was posted."""

    def typed(name: str) -> str:
        return data.get(name, "").strip()

    return ForkForm(
        seq, mode=typed("mode"), state=typed("state"), patch=typed("patch"), output=typed("output"), input=typed("input"),
        version=typed("version"), reason=typed("reason"), keep_signals=bool(typed("keep_signals")),
    )  # fmt: skip
