"""Archives in a bucket, at a local server that speaks S3."""

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from django.test import override_settings

from agentops.common.errors import BrokenArchiveError
from runs.archives import s3
from runs.archives.verdicts import archive_verdict
from runs.checkpoints.verify import verify_run
from runs.models import Archive, Run
from runs.services.archive_run import archive_run
from runs.services.delete_runs import delete_runs
from runs.services.restore_run import restore_run
from tests.forking import actor_of
from tests.runs import a_run, drive, state

pytestmark = pytest.mark.django_db


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def _answers(port: int) -> bool:
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """The address of the server."""
    port = _free_port()
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    until = time.monotonic() + 60
    while not _answers(port) and time.monotonic() < until:
        time.sleep(0.05)
    yield f"http://127.0.0.1:{port}"
    process.kill()
    process.wait()


@pytest.fixture
def bucket(server: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    client = boto3.client("s3", endpoint_url=server)
    client.create_bucket(Bucket="archives")
    s3._client.cache_clear()
    with override_settings(ARCHIVES="s3://archives/agentops", ARCHIVES_S3_ENDPOINT=server):
        yield client
    for one in client.list_objects_v2(Bucket="archives").get("Contents", []):
        client.delete_object(Bucket="archives", Key=one["Key"])


def a_finished_run() -> Run:
    return drive(a_run("test-steps", {"n": 4}))


def test_a_run_is_archived_into_a_bucket_and_comes_back(bucket: Any) -> None:
    run = a_finished_run()
    last = state(run)
    archive = archive_run(actor=actor_of(run), run_id=run.pk)
    [kept] = bucket.list_objects_v2(Bucket="archives")["Contents"]
    assert (kept["Key"], kept["Size"]) == (f"agentops/{archive.key}", archive.file_bytes)
    run.refresh_from_db()
    assert archive_verdict(run).is_clean
    restored = restore_run(actor=actor_of(run), run_id=run.pk)
    assert (state(restored), verify_run(restored).is_clean) == (last, True)


def test_a_deleted_run_leaves_nothing_in_the_bucket_unless_its_archive_is_to_stay(bucket: Any) -> None:
    gone, kept = a_finished_run(), a_finished_run()
    for run in (gone, kept):
        archive_run(actor=actor_of(run), run_id=run.pk)
    delete_runs(run_ids=[gone.pk], by="a test")
    delete_runs(run_ids=[kept.pk], by="a test", keeps_files=True)
    assert len(bucket.list_objects_v2(Bucket="archives")["Contents"]) == 1
    assert not Run.objects.filter(pk__in=[gone.pk, kept.pk]).exists()
    assert verify_run(restore_run(actor=actor_of(kept), run_id=kept.pk)).is_clean


def test_what_was_altered_or_is_gone_in_the_bucket_is_told(bucket: Any) -> None:
    run = a_finished_run()
    archive = archive_run(actor=actor_of(run), run_id=run.pk)
    place = {"Bucket": "archives", "Key": f"agentops/{archive.key}"}
    content = bytearray(bucket.get_object(**place)["Body"].read())
    content[-50] ^= 1
    bucket.put_object(Body=bytes(content), **place)
    with pytest.raises(BrokenArchiveError, match="does not fit"):
        restore_run(actor=actor_of(run), run_id=run.pk)
    bucket.delete_object(**place)
    with pytest.raises(BrokenArchiveError, match="not in the bucket"):
        restore_run(actor=actor_of(run), run_id=run.pk)


def test_a_bucket_that_cannot_be_reached_leaves_the_run_whole(bucket: Any) -> None:
    run = a_finished_run()
    with override_settings(ARCHIVES="s3://nowhere"), pytest.raises(OSError, match="bucket of archives"):
        archive_run(actor=actor_of(run), run_id=run.pk)
    run.refresh_from_db()
    assert (run.archived_at, verify_run(run).is_clean) == (None, True)
    assert Archive.objects.get().stored_at is None, "by it the file would be found that may be there"
    Archive.objects.update(begun_at=run.created_at.replace(year=2020))
    assert archive_run(actor=actor_of(run), run_id=run.pk).stripped_at
