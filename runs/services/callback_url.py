"""Whether a URL may be one to which ends of runs are told, as far as that can be said without the network."""

from agentops.common.canonical import clean_json
from agentops.common.errors import InvalidInputError
from runs.engine.errors import ToolError
from runs.tools.addresses import judge_literal
from runs.tools.exchange import place_of

MAX_URL_CHARACTERS = 2000


def check_callback_url(url: str) -> None:
    """Refuse what is no http(s) URL, holds a password, or names an address that is not public.

    A name is looked up, and all its addresses judged, whenever something is sent to it: what it leads to may change.

    Raises: InvalidInputError with the pointer `/callback_url`.
    """
    if not 1 <= len(url) <= MAX_URL_CHARACTERS or clean_json(url) != url:
        raise _misfit(f"must have 1 to {MAX_URL_CHARACTERS:,} characters that can be stored")
    try:
        judge_literal(*place_of(url))
    except ToolError as error:
        raise _misfit(str(error)) from error


def _misfit(message: str) -> InvalidInputError:
    errors = [{"pointer": "/callback_url", "message": message}]
    return InvalidInputError(f"the request does not fit at /callback_url: {message}", errors=errors)
