"""Reading the environment: typed, with files for secrets and the home folder's defaults."""

from pathlib import Path

import pytest
from pytest_django import Settings

from agentops.common import env
from agentops.common.conf import Conf, conf


@pytest.fixture
def variable(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in ("AGENTOPS_UNIT", "AGENTOPS_UNIT_FILE"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    return monkeypatch


def test_a_missing_or_empty_variable_means_its_default(variable: pytest.MonkeyPatch) -> None:
    for _ in range(2):
        assert env.env_str("AGENTOPS_UNIT", "x") == "x"
        assert env.env_int("AGENTOPS_UNIT", 7) == 7
        assert env.env_bool("AGENTOPS_UNIT", default=True) is True
        assert env.env_secret("AGENTOPS_UNIT", "s") == "s"
        variable.setenv("AGENTOPS_UNIT", "")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1", True),
        ("true", True),
        ("Yes", True),
        (" on ", True),
        ("0", False),
        ("false", False),
        ("no", False),
    ],
)
def test_truth_has_several_spellings(variable: pytest.MonkeyPatch, text: str, expected: bool) -> None:
    variable.setenv("AGENTOPS_UNIT", text)
    assert env.env_bool("AGENTOPS_UNIT", default=not expected) is expected


def test_a_number_with_a_typo_stops_the_start_with_a_sentence(variable: pytest.MonkeyPatch) -> None:
    variable.setenv("AGENTOPS_UNIT", " 12 ")
    assert env.env_int("AGENTOPS_UNIT", 1) == 12
    variable.setenv("AGENTOPS_UNIT", "1O")
    with pytest.raises(ValueError, match="AGENTOPS_UNIT must be a whole number, not '1O'"):
        env.env_int("AGENTOPS_UNIT", 1)


def test_a_secret_may_stand_in_a_file(variable: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("from the file\n")
    variable.setenv("AGENTOPS_UNIT", "from the variable")
    assert env.env_secret("AGENTOPS_UNIT") == "from the variable"
    variable.setenv("AGENTOPS_UNIT_FILE", str(tmp_path / "secret"))
    assert env.env_secret("AGENTOPS_UNIT") == "from the file"


def test_the_home_folder_gives_defaults_and_the_environment_wins(
    variable: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    variable.setenv("AGENTOPS_HOME", str(tmp_path))
    variable.setenv("AGENTOPS_UNIT_FILE", "mine")
    variable.setattr(env, "TAKEN_FROM_HOME", set())
    (tmp_path / "env").write_text(
        "# AGENTOPS_NOTE=1\nAGENTOPS_UNIT=a=b\nAGENTOPS_UNIT_FILE=theirs\nno line\n"
    )
    env.load_home_env()
    assert env.home() == tmp_path
    assert env.env_str("AGENTOPS_UNIT") == "a=b"
    assert env.env_str("AGENTOPS_UNIT_FILE") == "mine"
    assert {"AGENTOPS_UNIT"} == env.TAKEN_FROM_HOME


def test_a_home_without_the_file_gives_nothing(variable: pytest.MonkeyPatch, tmp_path: Path) -> None:
    variable.setenv("AGENTOPS_HOME", str(tmp_path / "none"))
    env.load_home_env()
    assert env.env_str("AGENTOPS_UNIT") == ""


def test_settings_are_typed_and_a_misspelt_key_is_named(settings: Settings) -> None:
    settings.AGENTOPS = {"slice_seconds": 3.0, "beat_seconds": 1.0}
    assert (conf().slice_seconds, conf().lease_seconds) == (3.0, 1.0 * Conf().lease_beats)
    settings.AGENTOPS = {"slice_second": 3.0}
    with pytest.raises(ValueError, match=r"unknown keys in settings\.AGENTOPS: slice_second"):
        conf()
