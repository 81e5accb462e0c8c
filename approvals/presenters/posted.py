"""What somebody posted on the page of a request, as a decision."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from django.utils.translation import gettext as _

from agentops.common.errors import BadRequestError
from approvals.models import Request
from approvals.presenters.case import Case, edited_args, is_edit
from approvals.services.decide import Choice
from approvals.services.decide_many import Picked

_ITEM = re.compile(r"([0-9a-f-]{36}) ([0-9]{1,9}) ([0-9a-f]{64})")


def choice_of(request: Request, posted: Mapping[str, str], case: Case) -> Choice | None:
    """Return the decision; None when something cannot be read, which the case then tells."""
    verb = posted.get("type", "")
    message = posted.get("reason" if verb == "reject" else "message", "").strip()
    version = posted.get("version", "")
    seen: dict[str, Any] = {
        "message": message, "version": int(version) if version.isdecimal() and len(version) < 10 else 0,
        "args_digest": posted.get("args_digest", ""),
    }  # fmt: skip
    if verb == "reject" and not message:
        case.errors = [_("Say why: the agent and the history are told.")]
        return None
    if verb == "respond":
        return _response(request, posted, case, seen)
    if verb != "approve" or not case.fields or not case.is_editable:
        return Choice(verb, **seen)
    args = edited_args(request, posted, case)
    if args is None:
        return None
    return Choice("edit", args, **seen) if is_edit(request, args) else Choice("approve", **seen)


def picked_of(items: Sequence[str]) -> list[Picked]:
    """Return the requests that were ticked, each as it was seen: its id, version and digest.

    Raises: BadRequestError for what no page of ours has sent.
    """
    found = [_ITEM.fullmatch(item) for item in items]
    if not all(found):
        raise BadRequestError("what was ticked cannot be read; load the page again")
    return [Picked(UUID(one[1]), int(one[2]), one[3]) for one in found if one]


def _response(request: Request, posted: Mapping[str, str], case: Case, seen: dict[str, Any]) -> Choice | None:
    typed = posted.get("answer", "").strip()
    if request.kind == "ask" and not (request.question or {}).get("schema"):
        return Choice("respond", answer=typed, **seen)
    try:
        answer = json.loads(typed) if typed else None
    except (json.JSONDecodeError, RecursionError) as error:
        case.errors = [_("This is not JSON: %s") % error]
        return None
    if request.kind == "ask":
        return Choice("respond", answer=answer, **seen)
    outcome = posted.get("outcome", "")
    return Choice("respond", answer={"outcome": outcome, "output": answer}, **seen)
