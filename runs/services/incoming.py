"""What comes in from outside with a name and a payload: checked the same way at every entrance."""

from typing import Any

import orjson

from agentops.common.canonical import NotJsonError, clean_json
from agentops.common.errors import TooLargeError
from agentops.common.types import JsonValue
from runs.services.checks import check_text, misfit

MAX_CHARACTERS = 200


def checked_text(pointer: str, text: str, *, may_be_empty: bool = False) -> str:
    """Return the text when it can be stored and is not too long.

    Raises: InvalidInputError
    """
    if text or not may_be_empty:
        check_text(pointer, text, MAX_CHARACTERS)
    return text


def checked_payload(payload: Any, *, max_bytes: int) -> JsonValue:
    """Return the payload as JSON that can be stored; no payload is an empty one. NULs and lone surrogates are replaced.

    Raises: InvalidInputError, TooLargeError
    """
    try:
        cleaned = clean_json({} if payload is None else payload)
        size = len(orjson.dumps(cleaned))
    except NotJsonError as error:
        raise misfit(f"/payload{error.pointer}", error.reason) from error
    except (TypeError, RecursionError) as error:
        raise misfit("/payload", f"is not JSON that can be stored: {error}") from error
    if size > max_bytes:
        raise TooLargeError(
            f"the payload has {size:,} bytes; at most {max_bytes:,} are taken. Send a reference instead."
        )
    return cleaned
