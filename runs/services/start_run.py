"""Start a run: everything is checked first, then one INSERT makes it exist."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import Any

from agentops.accounts.roles import Actor, Scope
from agentops.common.canonical import NotJsonError, clean_json, digest
from agentops.common.conf import conf
from agentops.common.errors import ConflictError, IdempotencyConflictError, InvalidInputError
from agentops.common.ids import new_id
from agentops.common.transactions import after_commit
from agentops.common.types import JsonValue
from runs import broadcasts, dispatch
from runs.checkpoints.codec import encode_capped
from runs.checkpoints.store import genesis
from runs.engine.errors import ProgramError
from runs.engine.program import Program
from runs.json_schema import check
from runs.models import AgentVersion, Run
from runs.programs import get_program
from runs.selectors.agents import version_for
from runs.services.callback_url import check_callback_url
from runs.services.insert_run import insert_run

MAX_KEY_CHARACTERS = 200
MAX_TITLE_CHARACTERS = 300
MAX_TAGS = 20
MAX_TAG_CHARACTERS = 100
PRIORITIES = range(-100, 101)

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Request:
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

    def digest(self) -> bytes:
        """Return the digest; members that came later count when they are given, so that older keys stay good."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return digest({name: value for name, value in values.items() if name != "callback_url" or value})


def start_run(  # noqa: PLR0913 -- the fields of the contract's request, keyword-only
    *,
    actor: Actor,
    agent: str,
    input: Any,  # noqa: A002 -- the word of the contract
    version: int | None = None,
    idempotency_key: str | None = None,
    priority: int = 0,
    tags: Sequence[str] = (),
    batch_id: str = "",
    title: str | None = None,
    deadline: datetime | None = None,
    callback_url: str | None = None,
) -> tuple[Run, bool]:
    """Return the run, and whether this call has made it.

    Args:
        actor: on whose behalf; needs the scope `run`.
        agent: slug of an agent of the team.
        input: the first state, which must fit the version's schema.
        version: the number of a version; the newest published one when None.
        idempotency_key: a second call with this key of the team returns the first one's run.
        priority: runs with a higher one are claimed first, -100 to 100.
        tags: words to find it by.
        batch_id: what it belongs to.
        title: what people call it; by default the program says.
        deadline: when it should be done, with a time zone.
        callback_url: where its end is told to; http or https, at a public address.

    Raises:
        NotFoundError: no such agent or version.
        InvalidInputError: something does not fit, with pointers.
        IdempotencyConflictError: the key was used with another request.
        ConflictError: the agent's code is not installed here.

    Transaction: none open; one statement. Worker and pages are told after it.
    """
    actor.require(Scope.RUN)
    deadline = _utc(deadline)
    request = _Request(
        agent=agent,
        input=_cleaned(input),
        version=version,
        priority=priority,
        tags=list(tags),
        batch_id=batch_id,
        title=title,
        deadline=deadline.isoformat() if deadline else None,
        callback_url=callback_url,
    )
    _check(request, idempotency_key)
    request_hash = request.digest()
    earlier = _earlier(actor, idempotency_key) if idempotency_key else None
    if earlier:
        return _same_request(earlier, request_hash), False
    chosen = version_for(actor, agent, version)
    check(request.input, chosen.input_schema, what=f"the input of {agent}")
    run = _built(actor, chosen, request, deadline, idempotency_key)
    run.request_hash = request_hash
    stored = _inserted(actor, run)
    return _same_request(stored, request_hash), stored.id == run.id


def _check(request: _Request, idempotency_key: str | None) -> None:
    if request.priority not in PRIORITIES:
        raise _misfit("/priority", f"must be between {PRIORITIES.start} and {PRIORITIES.stop - 1}")
    if len(request.tags) > MAX_TAGS:
        raise _misfit("/tags", f"at most {MAX_TAGS} tags")
    for index, tag in enumerate(request.tags):
        _check_text(f"/tags/{index}", tag, MAX_TAG_CHARACTERS)
    if request.batch_id:
        _check_text("/batch_id", request.batch_id, MAX_TAG_CHARACTERS)
    if request.title is not None:
        _check_text("/title", request.title, MAX_TITLE_CHARACTERS)
    if idempotency_key is not None:
        _check_text("/idempotency_key", idempotency_key, MAX_KEY_CHARACTERS)
    if request.callback_url is not None:
        check_callback_url(request.callback_url)


def _earlier(actor: Actor, idempotency_key: str) -> Run | None:
    found = Run.objects.filter(team_id=actor.team_id, idempotency_key=idempotency_key)
    return found.select_related("agent", "agent_version").defer("input", "output").first()


def _same_request(run: Run, request_hash: bytes) -> Run:
    """Return the run if that request is what started it.

    Raises: IdempotencyConflictError
    """
    if bytes(run.request_hash) != request_hash:
        raise IdempotencyConflictError(
            f"the idempotency key {run.idempotency_key!r} already started run {run.id} with another request; "
            "send the same request again, or another key",
            run_id=str(run.id),
        )
    return run


def _built(
    actor: Actor, version: AgentVersion, request: _Request, deadline: datetime | None, key: str | None
) -> Run:
    program = _program_of(version)
    encoded = encode_capped(request.input, max_bytes=conf().input_max_bytes, what="the input")
    run_id = new_id()
    return Run(
        id=run_id,
        root_id=run_id,
        team_id=actor.team_id,
        agent=version.agent,
        agent_version=version,
        title=request.title or _title(program, request.input),
        tags=request.tags,
        batch_id=request.batch_id,
        queue=version.agent.queue,
        priority=request.priority,
        deadline_at=deadline,
        callback_url=request.callback_url,
        node=program.start_node,
        input=encoded.body,
        input_codec=encoded.codec,
        head_hash=genesis(actor.team_id, run_id, encoded),
        idempotency_key=key,
        created_by=actor.name[:200],
    )


def _inserted(actor: Actor, run: Run) -> Run:
    """Return the row that stands now: this run, or the one that took its idempotency key a moment before."""
    if insert_run(run):
        after_commit(lambda: dispatch.poke(run.queue))
        after_commit(lambda: broadcasts.hint(run.team_id, run.id))
        return run
    stored = _earlier(actor, str(run.idempotency_key))
    assert stored, "a row with this key has just been committed by another"
    return stored


def _program_of(version: AgentVersion) -> type[Program]:
    try:
        return get_program(version.program, version.program_version)
    except ProgramError as error:
        raise ConflictError(
            f"the code of agent {version.agent.slug!r} is not installed on this server: {error}"
        ) from error


def _title(program: type[Program], state: JsonValue) -> str:
    """Return what the program calls the run; an author's mistake there must not stop the start."""
    try:
        title = str(program().title_of(state))
    except Exception:
        logger.exception("title_of of program %s failed", program.name)
        title = program.title
    cleaned = str(clean_json(title)).strip()
    return (cleaned or program.name)[:MAX_TITLE_CHARACTERS]


def _cleaned(value: Any) -> JsonValue:
    try:
        return clean_json(value)
    except NotJsonError as error:
        raise _misfit(error.pointer, error.reason, what="the input") from error


def _utc(deadline: datetime | None) -> datetime | None:
    if deadline is None:
        return None
    if deadline.tzinfo is None:
        raise _misfit("/deadline", "needs a time zone, such as 2026-01-31T12:00:00Z")
    try:
        return deadline.astimezone(UTC)
    except OverflowError:
        raise _misfit("/deadline", "is not between the years 1 and 9999") from None


def _check_text(pointer: str, text: str, max_characters: int) -> None:
    if clean_json(text) != text:
        raise _misfit(pointer, "holds characters that cannot be stored (NUL or lone surrogates)")
    if not 1 <= len(text) <= max_characters:
        raise _misfit(pointer, f"must have 1 to {max_characters} characters, it has {len(text):,}")


def _misfit(pointer: str, message: str, *, what: str = "the request") -> InvalidInputError:
    errors = [{"pointer": pointer, "message": message}]
    return InvalidInputError(f"{what} does not fit at {pointer or 'its top level'}: {message}", errors=errors)
