"""The guide to events and the reference of sources tell of the code as it is."""

import json
import re
from pathlib import Path

import pytest

from agentops.common.standard_webhooks import is_signed, key_of_text, secret_text
from runs.engine.sources import SourceKind
from runs.services.source_settings import MEMBERS, SECRETS, checked_settings
from tests.unit.test_documentation import python_of

ROOT = Path(__file__).resolve().parents[2]
GUIDE = "docs/how-to/receive-events.md"
REFERENCE = (ROOT / "docs/reference/sources.md").read_text(encoding="utf-8")
SETTINGS = [(kind, name) for kind in SourceKind for name in MEMBERS[kind]]
EXAMPLES = re.findall(
    r"^```json\n(.*?)^```", (ROOT / GUIDE).read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE
)


@pytest.mark.parametrize(("kind", "name"), SETTINGS)
def test_every_setting_stands_with_its_default(kind: SourceKind, name: str) -> None:
    row = re.search(rf"^\| `{kind}` \| `{name}` \|([^|]*)\|", REFERENCE, re.MULTILINE)
    assert row
    member, told = MEMBERS[kind][name], row[1].strip().strip("`")
    words = {"False": "no", "True": "yes", "": "any" if name == "agent" else "none"}
    default = str(member.default)
    assert told == ("" if member.is_needed else words.get(default, default))


def test_no_setting_stands_there_that_no_kind_takes() -> None:
    told = set(re.findall(r"^\| `(\w+)` \| `(\w+)` \|", REFERENCE, re.MULTILINE))
    assert told == {(kind.value, name) for kind, name in SETTINGS}


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda text: json.loads(text)["kind"])
def test_the_examples_of_the_guide_are_taken(example: str) -> None:
    told = json.loads(example)
    kind = SourceKind(told["kind"])
    assert checked_settings(kind, told["settings"])
    assert ("secret" in told) == (SECRETS[kind] == "needed")


def test_there_is_an_example_of_every_kind_that_is_looked_at() -> None:
    assert {json.loads(example)["kind"] for example in EXAMPLES} == {
        kind for kind in SourceKind if not kind.is_called
    }


def test_the_guide_signs_as_the_product_checks() -> None:
    space: dict[str, object] = {}
    exec(python_of(GUIDE), space)
    secret = secret_text(b"k" * 32)
    headers = space["signed_headers"](secret, "d-1", b"{}")  # type: ignore[operator]  # a function of the guide
    assert is_signed(headers, b"{}", key_of_text(secret))
    assert not is_signed(headers, b"{} ", key_of_text(secret))
