"""Archives in a bucket that speaks S3: AWS, MinIO, Ceph and others. Needs the extra `s3`."""

from functools import lru_cache
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from agentops.common.errors import BrokenArchiveError

CONNECT_SECONDS, READ_SECONDS = 10, 60


class Bucket:
    """A bucket, or what of it begins with a prefix. An upload is there whole or not at all: S3 promises that itself."""

    def __init__(self, bucket: str, *, prefix: str) -> None:
        self._bucket, self._prefix = bucket, prefix

    def put(self, key: str, path: Path) -> None:
        _asking(lambda client: client.upload_file(str(path), self._bucket, self._name(key)))

    def fetch(self, key: str, path: Path) -> None:
        _asking(lambda client: client.download_file(self._bucket, self._name(key), str(path)), key)

    def delete(self, key: str) -> None:
        _asking(lambda client: client.delete_object(Bucket=self._bucket, Key=self._name(key)))

    def _name(self, key: str) -> str:
        return f"{self._prefix}/{key}" if self._prefix else key


def _asking(ask: Any, key: str = "") -> None:
    """Ask the server. Raises: OSError for whatever it or the way to it says; BrokenArchiveError when `key` is not there."""
    client = _client(settings.ARCHIVES_S3_ENDPOINT)
    from boto3.exceptions import Boto3Error
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        ask(client)
    except ClientError as error:
        code = str(error.response.get("Error", {}).get("Code", ""))
        if key and code in ("404", "NoSuchKey"):
            raise BrokenArchiveError(f"the archive {key} is not in the bucket any more") from error
        raise OSError(f"the bucket of archives answers {code}: {error}") from error
    except (Boto3Error, BotoCoreError) as error:
        raise OSError(f"the bucket of archives cannot be used: {error}") from error


@lru_cache(maxsize=4)
def _client(endpoint: str) -> Any:
    try:
        import boto3
        from botocore.config import Config
    except ImportError as error:
        raise ImproperlyConfigured("ARCHIVES names a bucket; install agentops-console[s3] for it") from error
    options = Config(connect_timeout=CONNECT_SECONDS, read_timeout=READ_SECONDS, retries={"mode": "standard"})
    return boto3.client("s3", endpoint_url=endpoint or None, config=options)
