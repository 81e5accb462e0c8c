"""New runs, checked and built, before they are inserted: by whoever starts one, a batch of them, or children."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any
from uuid import UUID

from agentops.common.canonical import clean_json, digest
from agentops.common.conf import conf
from agentops.common.errors import ConflictError, InvalidInputError
from agentops.common.ids import new_id
from agentops.common.types import JsonObject, JsonValue
from runs.checkpoints.codec import encode_capped
from runs.checkpoints.store import genesis
from runs.definitions import program_for
from runs.engine.errors import ProgramError
from runs.engine.limits import MAX_KEY_CHARACTERS as MAX_CONCURRENCY_KEY_CHARACTERS
from runs.engine.limits import KeyPartError, key_of
from runs.engine.program import Program
from runs.json_schema import MAX_ERRORS, check
from runs.models import AgentVersion, Run
from runs.services.budget_limits import check_run_budget
from runs.services.callback_url import check_callback_url
from runs.services.checks import (
    MAX_KEY_CHARACTERS,
    MAX_TAG_CHARACTERS,
    check_priority,
    check_queue,
    check_tags,
    check_text,
    cleaned,
    misfit,
)

MAX_TITLE_CHARACTERS = 300

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class StartRequest:
    """What makes two requests the same one (PROTOCOL 28)."""

    agent: str
    input: JsonValue
    version: int | None
    priority: int
    tags: list[str]
    batch_id: str
    title: str | None
    deadline: str | None
    callback_url: str | None
    queue: str | None = None
    concurrency_key: str | None = None
    budget: dict[str, int] | None = None

    def digest(self) -> bytes:
        """Return the digest; members that came later count when they are given, so that older keys stay good."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        later = ("callback_url", "queue", "concurrency_key", "budget")
        return digest(
            {name: value for name, value in values.items() if name not in later or value is not None}
        )


def check_request(request: StartRequest, idempotency_key: str | None = None) -> None:
    """Accept what stands beside the input.

    Raises: InvalidInputError with a pointer.
    """
    check_priority(request.priority)
    check_tags(request.tags)
    if request.batch_id:
        check_text("/batch_id", request.batch_id, MAX_TAG_CHARACTERS)
    if request.title is not None:
        check_text("/title", request.title, MAX_TITLE_CHARACTERS)
    if idempotency_key is not None:
        check_text("/idempotency_key", idempotency_key, MAX_KEY_CHARACTERS)
    if request.callback_url is not None:
        check_callback_url(request.callback_url)
    if request.queue is not None:
        check_queue("/queue", request.queue)
    if request.budget is not None:
        check_run_budget(request.budget)
    if request.concurrency_key:
        check_text("/concurrency_key", request.concurrency_key, MAX_CONCURRENCY_KEY_CHARACTERS)


def checked_inputs(
    values: Sequence[Any], schema: JsonObject, *, what: str, pointers: Sequence[str]
) -> list[JsonValue]:
    """Return the inputs as JSON that can be stored; each fits the schema.

    `pointers` say where each stands in the request, `what` what they are.

    Raises: InvalidInputError with a pointer and a sentence for each place that does not fit (MAX_ERRORS at most).
    """
    found, errors = [], []
    for value, pointer in zip(values, pointers, strict=True):
        try:
            found.append(cleaned(value, what="the input"))
            check(found[-1], schema, what=what)
        except InvalidInputError as error:
            found = error.data["errors"]
            errors += [{**told, "pointer": pointer + told["pointer"]} for told in found]
        if len(errors) >= MAX_ERRORS:
            break
    if errors:
        first = errors[0]
        raise InvalidInputError(
            f"{what} does not fit at {first['pointer']}: {first['message']}", errors=errors[:MAX_ERRORS]
        )
    return found


def built_run(
    *,
    team_id: UUID,
    created_by: str,
    version: AgentVersion,
    request: StartRequest,
    deadline: datetime | None = None,
    key: str | None = None,
) -> Run:
    """Return the run that the request asks for, not yet inserted.

    Raises: ConflictError when the agent's code is not installed here; TooLargeError for the input; InvalidInputError when it
        lacks what the agent's runs are counted by.
    """
    program = _program_of(version)
    encoded = encode_capped(request.input, max_bytes=conf().input_max_bytes, what="the input")
    run_id = new_id()
    return Run(
        id=run_id,
        root_id=run_id,
        team_id=team_id,
        agent=version.agent,
        agent_version=version,
        title=request.title or _title(program, request.input),
        tags=request.tags,
        batch_id=request.batch_id,
        queue=request.queue or version.agent.queue,
        priority=request.priority,
        concurrency_key=_key_of(program, request),
        deadline_at=deadline,
        callback_url=request.callback_url,
        node=program.start_node,
        input=encoded.body,
        input_codec=encoded.codec,
        head_hash=genesis(team_id, run_id, encoded),
        idempotency_key=key,
        created_by=created_by[:200],
        request_hash=request.digest(),
    )


def _program_of(version: AgentVersion) -> type[Program]:
    try:
        return program_for(version)
    except ProgramError as error:
        raise ConflictError(
            f"the code of agent {version.agent.slug!r} is not installed on this server: {error}"
        ) from error


def _key_of(program: type[Program], request: StartRequest) -> str:
    if request.concurrency_key is not None:
        return request.concurrency_key
    try:
        return key_of(program.concurrency_key, request.input)
    except KeyPartError as error:
        raise misfit(error.pointer, error.reason, what=f"the input of {request.agent}") from error


def _title(program: type[Program], state: JsonValue) -> str:
    """Return what the program calls the run; an author's mistake there must not stop the start."""
    try:
        title = str(program().title_of(state))
    except Exception:
        logger.exception("title_of of program %s failed", program.name)
        title = program.title
    words = str(clean_json(title)).strip()
    return (words or program.name)[:MAX_TITLE_CHARACTERS]
