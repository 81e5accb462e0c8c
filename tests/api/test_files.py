"""The files of a run over the API and on its page: listed, compared, downloaded, and harmless whatever they hold."""

import hashlib
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest
from django.test import Client

from runs.models import Blob, Checkpoint, Run
from tests.personas import World
from tests.runs import a_run, drive

pytestmark = pytest.mark.django_db

HOSTILE = '<script>alert(1)<"><img src=x>.html'


@pytest.fixture
def run(world: World) -> Run:
    """A run with files at steps 1 to 3."""
    nodes = [
        [["write", "report.md", "one\ntwo\n"], ["write", "a/b.txt", "b"], ["write", HOSTILE, "<script>alert(2)</script>"]],
        [["write", "report.md", "one\n2\n"], ["remove", "a"], ["write", "run.sh", "#!"], ["mode", "run.sh", 0o755]],
        [["odd", "bytes"]],
    ]  # fmt: skip
    return drive(a_run("test-filing", {"nodes": nodes}, team=world.analytical))


@pytest.fixture
def ada(world: World, api: Callable[..., Client]) -> Client:
    return api(world.ada, world.analytical)


def test_files_are_listed_at_any_checkpoint(ada: Client, run: Run) -> None:
    found = ada.get(f"/api/v1/runs/{run.pk}/files").json()
    assert (found["seq"], found["n_files"], found["since"]) == (3, 4, None)
    [report] = [item for item in found["items"] if item["path"] == "report.md"]
    digest = hashlib.sha256(b"one\n2\n").hexdigest()
    assert report == {
        "path": "report.md", "size_bytes": 6, "sha256": digest, "mode": "644", "step_seq": 2, "change": None,
    }  # fmt: skip
    assert [item["mode"] for item in found["items"] if item["path"] == "run.sh"] == ["755"]
    assert ada.get(f"/api/v1/runs/{run.pk}/files?seq=0").json()["items"] == []
    assert ada.get(f"/api/v1/runs/{run.pk}/files?seq=1").json()["n_files"] == 3


def test_files_are_told_apart_between_two_checkpoints(ada: Client, run: Run) -> None:
    found = ada.get(f"/api/v1/runs/{run.pk}/files?seq=2&since=1").json()
    assert {item["path"]: item["change"] for item in found["items"]} == {
        "a/b.txt": "removed", "report.md": "changed", "run.sh": "added", HOSTILE: "same",
    }  # fmt: skip
    assert found["n_files"] == 3
    diff = ada.get(f"/api/v1/runs/{run.pk}/diff/files?path=report.md&a=1&b=2").json()
    assert diff["diff"].splitlines()[2:] == ["@@ -1,2 +1,2 @@", " one", "-two", "+2"]
    gone = ada.get(f"/api/v1/runs/{run.pk}/diff/files?path=a/b.txt&a=1&b=2").json()
    assert (gone["b"], gone["diff"].splitlines()[-2:]) == (None, ["-b", "\\ No newline at end of file"])
    binary = ada.get(f"/api/v1/runs/{run.pk}/diff/files?path=bytes&a=2&b=3").json()
    assert (binary["a"], binary["diff"]) == (None, None)


def test_a_download_is_never_shown_by_a_browser(ada: Client, run: Run) -> None:
    answer = ada.get(f"/api/v1/runs/{run.pk}/files/report.md?seq=1")
    assert (answer.status_code, answer.content) == (200, b"one\ntwo\n")
    assert answer["Content-Type"] == "application/octet-stream"
    assert answer["Content-Disposition"] == 'attachment; filename="report.md"'
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in answer["Content-Security-Policy"]


@pytest.mark.parametrize(
    "name", ['quo"te.txt', "semi;colon.txt", "é—ß.txt", "% 20&#x.txt", "a?b=c#d.txt", "..x", "-rf"]
)
def test_odd_names_can_be_listed_and_downloaded(
    world: World, ada: Client, client_for: Any, name: str
) -> None:
    run = drive(a_run("test-filing", {"nodes": [[["write", name, "x"]]]}, team=world.analytical))
    assert [item["path"] for item in ada.get(f"/api/v1/runs/{run.pk}/files").json()["items"]] == [name]
    answer = ada.get(f"/api/v1/runs/{run.pk}/files/{quote(name)}")
    assert answer.content == b"x"
    assert "\n" not in answer["Content-Disposition"]
    page = client_for(world.ada).get(f"/runs/{run.pk}/files/download", {"path": name})
    assert (page.status_code, page.content) == (200, b"x")


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("/files?seq=99", 404),
        ("/files?seq=-1", 422),
        ("/files?seq=x", 422),
        ("/files?since=99", 404),
        ("/files?wrong=1", 400),
        ("/files/nowhere.txt", 404),
        ("/files/../../etc/passwd", 404),
        ("/files/report.md?seq=0", 404),
        ("/files/%00", 400),
        ("/diff/files?path=nowhere&a=0&b=1", 404),
        ("/diff/files?path=report.md&a=0", 422),
    ],
)
def test_what_is_not_there_is_told(ada: Client, run: Run, query: str, status: int) -> None:
    answer = ada.get(f"/api/v1/runs/{run.pk}{query}")
    assert answer.status_code == status
    assert answer["Content-Type"] == "application/problem+json"


def test_another_team_finds_no_file(
    world: World, api: Callable[..., Client], client_for: Any, run: Run
) -> None:
    stranger = api(world.bea, world.brook)
    for query in ("files", "files/report.md", "diff/files?path=report.md&a=1&b=2"):
        assert stranger.get(f"/api/v1/runs/{run.pk}/{query}").status_code == 404
    browser = client_for(world.bea)
    for page in ("files", "files/file?path=report.md", "files/download?path=report.md"):
        assert browser.get(f"/runs/{run.pk}/{page}").status_code == 404


def test_a_file_that_was_altered_is_not_given(ada: Client, client_for: Any, world: World, run: Run) -> None:
    Blob.objects.filter(plain_bytes=6).update(body=b"other!", codec=3)
    assert ada.get(f"/api/v1/runs/{run.pk}/files/report.md").status_code == 409
    assert (
        b"cannot be trusted" in client_for(world.ada).get(f"/runs/{run.pk}/files/file?path=report.md").content
    )
    Checkpoint.objects.filter(run=run, kind="c", seq=2).delete()
    assert ada.get(f"/api/v1/runs/{run.pk}/files").status_code == 409
    assert b"cannot be trusted" in client_for(world.ada).get(f"/runs/{run.pk}/files").content


def test_the_page_shows_files_what_changed_and_no_markup_of_theirs(
    client_for: Any, world: World, run: Run
) -> None:
    browser = client_for(world.ada)
    page = browser.get(f"/runs/{run.pk}/files?seq=2&since=1").content.decode()
    for words in ("report.md", "Changed", "Removed", "Added", "The same", "as step"):
        assert words in page
    assert "<script>alert" not in page
    content = browser.get(f"/runs/{run.pk}/files/file", {"path": HOSTILE}).content.decode()
    assert "&lt;script&gt;alert(2)&lt;/script&gt;" in content
    assert "<script>alert" not in content
    change = browser.get(f"/runs/{run.pk}/files/file?path=report.md&seq=2&since=1").content.decode()
    assert "What changed from step 1 to step 2" in change
    assert "<mark>" in change
    assert b"This is no text" in browser.get(f"/runs/{run.pk}/files/file?path=bytes").content
    assert b"This run keeps no files" in browser.get(f"/runs/{_steps(world).pk}/files").content


def _steps(world: World) -> Run:
    return drive(a_run("test-steps", {"n": 1}, team=world.analytical))
