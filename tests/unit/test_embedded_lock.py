"""The locked packages are what pyproject.toml asks for, with hashes and without addresses."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PROJECT = Path(__file__).resolve().parents[2]
LOCKED = re.compile(r"^([a-z0-9._-]+)==([^ ;\\]+)", re.MULTILINE)


def wanted(name: str) -> list[Requirement]:
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
    extra = project["optional-dependencies"]["dev"] if name == "dev" else []
    return [Requirement(line) for line in (*project["dependencies"], *extra)]


def locked(name: str) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for package, version in LOCKED.findall((PROJECT / "requirements" / f"{name}.txt").read_text()):
        found.setdefault(canonicalize_name(package), set()).add(version)
    return found


@pytest.mark.parametrize("name", ["base", "dev"])
def test_every_dependency_is_locked_to_a_version_it_allows(name: str) -> None:
    versions = locked(name)
    for requirement in wanted(name):
        package = canonicalize_name(requirement.name)
        assert versions.get(package), f"{package} is not in the lock: run `make lock`"
        assert all(requirement.specifier.contains(version) for version in versions[package]), requirement


@pytest.mark.parametrize("name", ["base", "dev"])
def test_a_lock_holds_hashes_and_neither_addresses_nor_index_lines(name: str) -> None:
    text = (PROJECT / "requirements" / f"{name}.txt").read_text()
    assert "://" not in text
    for line in text.splitlines():
        assert line.startswith("    --hash=sha256:") or (LOCKED.match(line) and line.endswith("\\")), line


def test_tests_run_on_the_versions_that_the_product_gets() -> None:
    base, dev = locked("base"), locked("dev")
    assert {package: dev[package] for package in base} == base
