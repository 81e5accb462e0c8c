"""Fixtures that several integration tests share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.server import WebServer
from tests.personas import World


@pytest.fixture
def server(world: World, tmp_path: Path) -> Iterator[WebServer]:
    """The product's web server, for the length of a test."""
    with WebServer(tmp_path / "web.log") as server:
        yield server
