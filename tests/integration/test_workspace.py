"""A run's folder of files is kept with its checkpoints, and stands again wherever the run goes on."""

from typing import Any

import pytest

from runs.checkpoints.chain import IntegrityError
from runs.checkpoints.segments import Tail
from runs.checkpoints.verify import verify_run
from runs.models import Blob, Checkpoint, Run, Step
from runs.services.advance import advance
from runs.services.rewind_run import rewind_run
from runs.services.sweep_workspaces import sweep_workspaces
from runs.services.workspace import Workspace
from runs.workspace import folders
from tests import ledger
from tests.filing import held, kept, left_on_disk
from tests.forking import actor_of, fork
from tests.runs import a_run, a_worker, claim, drive, make_due, output

pytestmark = pytest.mark.django_db

FOUR = ["many", 4, 100]
TWO = {"a.txt": "one", "sub/b.txt": "two"}


@pytest.fixture(autouse=True)
def _ledger() -> None:
    ledger.create()


def filing(*nodes: Any) -> Run:
    """Return a run of the operations, driven to its end."""
    return drive(a_run("test-filing", {"nodes": [list(node) for node in nodes]}))


def test_what_a_node_leaves_in_its_workspace_is_kept_with_its_checkpoint() -> None:
    run = filing(
        [["write", "a.txt", "one"], ["write", "sub/b.txt", "two"]],
        [["append", "a.txt", " more"], ["remove", "sub"], ["write", "c.sh", "x"], ["mode", "c.sh", 0o755]],
        [["move", "a.txt", "deep/d/a.txt"]],
    )
    assert output(run) == {"c.sh": "x", "deep/d/a.txt": "one more"}
    assert [kept(run, seq) for seq in (0, 1, 2, 3)] == [
        {}, TWO, {"a.txt": "one more", "c.sh": "x"}, {"c.sh": "x", "deep/d/a.txt": "one more"},
    ]  # fmt: skip
    assert verify_run(run).is_clean
    assert left_on_disk() == []


def test_a_slice_on_another_host_begins_with_the_files_of_the_last_checkpoint() -> None:
    run = filing(
        [["write", "a.txt", "one"], ["write", "sub/b.txt", "two"], ["mode", "a.txt", 0o700]],
        [["expect", TWO], ["sleep", 1], ["expect", TWO], ["append", "a.txt", "!"]],
        [["expect", {**TWO, "a.txt": "one!"}]],
    )
    assert run.status == "succeeded", run.error
    assert run.claims == 2
    assert Checkpoint.objects.filter(run=run, kind="c").count() == 2


def test_a_node_that_is_tried_again_does_not_see_what_the_failed_attempt_wrote() -> None:
    run = filing(
        [["write", "a.txt", "one"]],
        [["expect", {"a.txt": "one"}], ["append", "a.txt", " again"], ["write", "half", "x"], ["fail", 1]],
    )
    assert output(run) == {"a.txt": "one again", "half": "x"}


def test_a_node_that_touches_no_file_leaves_no_row() -> None:
    run = filing([["write", "a.txt", "1"]], [["tool", "test.echo", {"value": 1}]], [["write", "a.txt", "1"]])
    assert list(Checkpoint.objects.filter(run=run, kind="c").values_list("seq", flat=True)) == [1]


def test_an_empty_run_asks_for_no_files(django_assert_num_queries: Any) -> None:
    run = drive(a_run("test-steps", {"n": 2}))
    assert not Checkpoint.objects.filter(run=run, kind="c").exists()
    with django_assert_num_queries(0):
        sweep_workspaces()


def test_equal_contents_stand_once() -> None:
    text = "the same " * 20_000
    run = filing([["write", "a", text], ["write", "b", text]], [["write", "c", text]], [["remove", "a"]])
    assert sorted(output(run)) == ["b", "c"]
    assert Blob.objects.filter(plain_bytes=len(text)).count() == 1


def test_a_fork_and_a_rewound_run_begin_with_the_files_of_the_checkpoint() -> None:
    run = filing([["write", "a.txt", "one"]], [["append", "a.txt", "2"]], [["write", "b.txt", "x"]])
    child = drive(fork(run, 1))
    assert output(child) == {"a.txt": "one2", "b.txt": "x"}
    assert kept(child, 0) == {"a.txt": "one"}
    rewind_run(actor=actor_of(run), run_id=run.pk, seq=1)
    run.refresh_from_db()
    assert kept(run) == {"a.txt": "one"}
    run = drive(run)
    assert output(run) == {"a.txt": "one2", "b.txt": "x"}
    assert kept(run, 2) == {"a.txt": "one2"}
    assert verify_run(run).is_clean
    assert verify_run(child).is_clean
    run.delete()
    child.refresh_from_db()
    assert kept(drive(fork(drive(fork(child, 0)), 0)), 0) == {"a.txt": "one"}


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        ("symlink", "symbolic link"),
        ("symlink to a folder", "symbolic link"),
        ("hard link", "hard link"),
        ("fifo", "no plain file"),
        ("socket", "no plain file"),
        ("not UTF-8", "not UTF-8"),
        ("case", "upper and lower case"),
        ("case of a folder", "upper and lower case"),
        ("deep", "too long"),
        ("back\\slash", "backslash"),
        ("new\nline", "line break"),
        ("right\u202eleft", "invisible"),
        ("nul\u0085", "invisible"),
        (" space", "begins or ends with a space"),
        ("dot.", "ends with a dot"),
        ("e\u0301", "composed form"),
        ("private\ue000", "invisible"),
    ],
)
def test_what_cannot_be_kept_fails_the_attempt_and_says_why(kind: str, told: str) -> None:
    run = filing([["write", "a.txt", "one"]], [["odd", kind]])
    assert (run.status, run.error["code"], run.error["attempts"]) == ("failed", "workspace_refused", 2)
    assert told in run.error["message"]
    assert kept(run) == {"a.txt": "one"}
    assert left_on_disk() == []


@pytest.mark.parametrize(
    ("operation", "limits", "told"),
    [
        (FOUR, {"workspace_max_files": 3}, "more than 3 files"),
        (
            FOUR,
            {"workspace_file_max_bytes": 99},
            "'0000.txt' of the workspace has 100 bytes, and a file may have 99",
        ),
        (FOUR, {"workspace_max_bytes": 399}, "holds 400 bytes, and it may hold 399"),
        (["odd", "folders"], {"workspace_max_files": 20}, "more than 20 files or folders"),
    ],
)
def test_a_workspace_has_limits(settings: Any, operation: Any, limits: dict[str, int], told: str) -> None:
    settings.AGENTOPS = limits
    run = filing([operation])
    assert run.error["code"] == "workspace_refused"
    assert told in run.error["message"]
    assert not Blob.objects.exists()


def test_a_workspace_may_be_as_large_as_allowed(settings: Any) -> None:
    settings.AGENTOPS = {
        "workspace_max_files": 4,
        "workspace_file_max_bytes": 100,
        "workspace_max_bytes": 400,
    }
    assert filing([FOUR]).status == "succeeded"


@pytest.mark.parametrize("how", ["altered", "moved", "taken away", "added", "the last one taken away"])
def test_a_change_of_files_cannot_be_altered_in_silence(how: str) -> None:
    run = filing([["write", "a", "1"]], [["write", "b", "2"]], [["write", "a", "3"]], [["fail", 9]])
    rows = Checkpoint.objects.filter(run=run, kind="c")
    match how:
        case "altered":
            body = bytes(rows.get(seq=2).body)
            rows.filter(seq=2).update(body=body.replace(b'"b"', b'"x"'), codec=0)
        case "moved":
            rows.filter(seq=3).update(seq=4)
        case "taken away":
            rows.filter(seq=2).delete()
        case "the last one taken away":
            rows.filter(seq=3).delete()
        case _:
            row = rows.get(seq=3)
            row.seq, row._state.adding = 4, True
            row.save()
    assert not verify_run(run).is_clean
    with pytest.raises(IntegrityError):
        kept(run)


@pytest.mark.parametrize("how", ["altered", "taken away", "of another team"])
def test_a_content_that_is_not_what_was_written_stops_the_run(how: str) -> None:
    run = a_run("test-filing", {"nodes": [[["write", "a", "one"]], [["sleep", 1], ["expect", {"a": "one"}]]]})
    advance(claim(a_worker()))
    [blob] = Blob.objects.all()
    match how:
        case "altered":
            Blob.objects.update(body=b"two")
        case "taken away":
            Blob.objects.all().delete()
        case _:
            Blob.objects.update(team_id=run.pk)
    assert blob.plain_bytes == 3
    make_due(run)
    run = drive(run)
    assert (run.status, run.health) == ("paused", ["integrity_failed"])
    assert not verify_run(run).is_clean
    assert left_on_disk() == []
    assert Step.objects.filter(run=run, status="failed").count() == 0


def test_folders_that_dead_slices_left_are_taken_away() -> None:
    run = a_run("test-filing", {"nodes": [[["write", "a", "one"]]]})
    dead = folders.folder_of(run.pk, 7)
    dead.mkdir(parents=True)
    (dead / "half").write_text("x")
    (dead / "locked").mkdir(mode=0o000)
    draft = dead.with_name(f".{dead.name}.{'0' * 16}")
    draft.mkdir()
    Run.objects.filter(pk=run.pk).update(epoch=8, status="running", worker_id=run.pk)
    live = folders.folder_of(run.pk, 8)
    live.mkdir()
    (live.parent / "something-else").mkdir(exist_ok=True)
    assert sweep_workspaces() == 2
    assert left_on_disk() == [live.name]
    folders.remove(live)


def test_a_worker_that_lost_the_run_writes_to_a_folder_of_its_own_and_commits_nothing() -> None:
    run = a_run("test-filing", {"nodes": [[["write", "a", "one"]], [["append", "a", " two"]]]})
    stale = claim(a_worker())
    own = Workspace(stale.lease, stale.position, Tail(0, b""))
    (own.open() / "a").write_text("of the stale one")
    Run.objects.filter(pk=run.pk).update(status="queued", worker_id=None)
    run = drive(run)
    assert output(run) == {"a": "one two"}
    assert held(own.open()) == {"a": "of the stale one"}
    own.close()
    advance(stale)
    run.refresh_from_db()
    assert (kept(run), verify_run(run).is_clean) == ({"a": "one two"}, True)
    assert left_on_disk() == []
