"""Models on AWS Bedrock, asked over its own wire with one of its API keys; the extra `bedrock` brings what that needs.

The key is sent as a bearer token. Neither keys nor profiles of AWS that a worker's environment may hold are asked for.
"""

import os
from importlib.util import find_spec
from typing import Any
from urllib.parse import urlsplit

from runs.llm.errors import ModelError, Trouble
from runs.llm.request import Endpoint

MISSING = (
    "models on Bedrock need the extra `bedrock`: install agentops-console[bedrock] wherever workers and the web"
    " process run, and start them again"
)
ANYWHERE = "us-east-1"
# A model that nobody has: asked for, it tells whether the key is taken, and costs nothing.
NOBODYS_MODEL = "agentops.no-such-model"
MAX_CONNECTIONS = 256
# Where botocore would look for what is not the provider's: nowhere.
_NO_FILES: dict[str, Any] = {
    "profile": (None, None, None, None),
    "config_file": (None, None, os.devnull, None),
    "credentials_file": (None, None, os.devnull, None),
}


def is_installed() -> bool:
    """Return whether this process can ask models on Bedrock."""
    return find_spec("boto3") is not None


def bedrock_model(endpoint: Endpoint, name: str, *, connect_seconds: float) -> Any:
    """Return how a model is asked, for pydantic-ai.

    Raises: ModelError where the extra is not installed.
    """
    client = _client(endpoint, connect_seconds)
    from pydantic_ai.models.bedrock import BedrockConverseModel
    from pydantic_ai.providers.bedrock import BedrockProvider

    return BedrockConverseModel(name, provider=BedrockProvider(bedrock_client=client))


def check_key(endpoint: Endpoint, *, connect_seconds: float) -> None:
    """Ask for what is not there. Blocks.

    Raises: ModelError when Bedrock does not answer, or does not take the key.
    """
    client = _client(endpoint, connect_seconds)
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        client.converse(modelId=NOBODYS_MODEL, messages=[{"role": "user", "content": [{"text": "?"}]}])
    except ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] not in (400, 404):
            raise ModelError(Trouble.REFUSED, str(error)) from None
    except BotoCoreError as error:
        raise ModelError(Trouble.UNAVAILABLE, str(error)) from None


def _client(endpoint: Endpoint, connect_seconds: float) -> Any:
    if not is_installed():
        raise ModelError(Trouble.REFUSED, MISSING)
    import boto3
    from botocore.config import Config
    from botocore.session import Session
    from botocore.tokens import FrozenAuthToken

    class OwnKey(Session):  # type: ignore[misc]  # botocore ships no types
        """A session that knows this key, and none of the environment's."""

        def get_auth_token(self, **_: Any) -> Any:
            return FrozenAuthToken(endpoint.key)

        def get_credentials(self) -> None:
            return None

    config = Config(
        signature_version="bearer", retries={"total_max_attempts": 1}, connect_timeout=connect_seconds,
        read_timeout=endpoint.timeout_seconds, max_pool_connections=MAX_CONNECTIONS,
    )  # fmt: skip
    session = boto3.Session(
        botocore_session=OwnKey(session_vars=_NO_FILES), region_name=_region(endpoint.base_url)
    )
    return session.client("bedrock-runtime", config=config, endpoint_url=endpoint.base_url)


def _region(address: str) -> str:
    """Return the region that the address names; with a bearer token nothing depends on it."""
    parts = (urlsplit(address).hostname or "").split(".")
    return parts[1] if parts[0].startswith("bedrock") and len(parts) > 2 else ANYWHERE
