"""Check the definition of an agent before it is kept: its shape, and what it names."""

from collections.abc import Iterator, Mapping
from typing import Any
from uuid import UUID

from agentops.common.canonical import canonical_bytes, digest
from agentops.common.errors import InvalidInputError, TooLargeError
from agentops.common.types import JsonObject
from runs.definition_checks import Problem, problems_of_plug_ins
from runs.engine.agent_definition import MAX_BYTES, SCHEMA, filled
from runs.engine.errors import RecoveryError
from runs.engine.limits import QUEUE
from runs.engine.program import is_program_name
from runs.engine.providers import split_model
from runs.engine.recovery_form import policy_from
from runs.json_schema import check, check_schema
from runs.llm.inner import INNER, START_AGENT
from runs.llm.program import LlmAgent
from runs.models import Agent, Provider
from runs.programs import programs
from runs.services.check_members import budgets_made_by_hand, member_problems
from runs.services.checks import cleaned
from runs.tools.registry import all_tools

WHAT = "the definition"


def checked_definition(*, team_id: UUID, given: Any) -> JsonObject:
    """Return the definition whole, with every member that it leaves out as the schema says.

    Raises: InvalidInputError with a pointer and a sentence for each place that does not fit; TooLargeError.
    """
    document = cleaned(given, what=WHAT)
    if not isinstance(document, dict):
        raise refused([("", "must be a JSON object")])
    if len(canonical_bytes(document)) > MAX_BYTES:
        raise TooLargeError(f"{WHAT} may have {MAX_BYTES:,} bytes")
    check(document, SCHEMA, what=WHAT)
    whole = filled(document)
    problems = [*_problems(whole), *problems_of_plug_ins(team_id, whole)]
    if problems:
        raise refused(problems)
    return whole


def warnings_about(*, team_id: UUID, slug: str, definition: Mapping[str, Any]) -> list[Problem]:
    """Return what would keep runs of it from doing well as things stand, though it may be mended without the definition."""
    known = set(Provider.objects.filter(team_id=team_id, is_paused=False).values_list("slug", flat=True))
    found: list[Problem] = []
    for n, model in enumerate(definition["models"]):
        provider = split_model(model)[0]
        if not known:
            found.append(
                (
                    f"/models/{n}",
                    "the team has no provider of models; an admin adds one under Settings, Providers",
                )
            )
        elif provider and provider not in known:
            found.append(
                (
                    f"/models/{n}",
                    f"there is no provider {provider!r} that is switched on; there are {', '.join(sorted(known))}",
                )
            )
    found += budgets_made_by_hand(team_id=team_id, slug=slug, definition=filled(definition))
    others = set(
        Agent.objects.filter(team_id=team_id, slug__in=definition["agents"]).values_list("slug", flat=True)
    )
    missing = [name for name in definition["agents"] if name not in others | {slug}]
    return found + [(f"/agents/{definition['agents'].index(name)}", f"there is no agent {name!r} yet") for name in missing]  # fmt: skip


def refused(problems: list[Problem]) -> InvalidInputError:
    """Return the error that names every place."""
    errors = [{"pointer": pointer, "message": message} for pointer, message in problems]
    return InvalidInputError(f"{WHAT} does not fit at {problems[0][0] or 'its top level'}: {problems[0][1]}", errors=errors)  # fmt: skip


def known_tools() -> set[str]:
    """Return the names of the tools that a definition may choose from, for they are installed here."""
    programs()
    return {spec.name for spec in all_tools()} | set(INNER)


def _problems(definition: Mapping[str, Any]) -> Iterator[Problem]:
    yield from _unknown_tools(definition)
    yield from member_problems(definition)
    for name in ("input_schema", "state_schema", "output_schema"):
        if definition[name] is not None and (problem := _schema_problem(definition[name])):
            yield f"/{name}", problem
    if definition["input_schema"].get("type", "object") != "object":
        yield "/input_schema/type", 'must be "object": the input is the first state'
    try:
        policy_from(definition["recovery"], LlmAgent.nodes)
    except RecoveryError as error:
        yield f"/recovery{error.pointer}", error.reason
    if not QUEUE.fullmatch(definition["queue"]):
        yield "/queue", "must be 1 to 100 letters, digits, '.', '_' and '-', the first one a letter or digit"
    for n, agent in enumerate(definition["agents"]):
        if not is_program_name(agent):
            yield f"/agents/{n}", "is no name of an agent: lower-case letters, digits and single hyphens"


def _unknown_tools(definition: Mapping[str, Any]) -> Iterator[Problem]:
    known = known_tools()
    for n, name in enumerate(definition["tools"]):
        if name not in known:
            yield f"/tools/{n}", f"there is no tool {name!r}; there are {', '.join(sorted(known))}"[:1000]
    chosen = {*definition["tools"], *([START_AGENT] if definition["agents"] else [])}
    for n, name in enumerate(definition["approve"]):
        if name not in chosen:
            yield f"/approve/{n}", f"{name!r} is none of its tools"


def _schema_problem(schema: JsonObject) -> str:
    try:
        check_schema(schema)
    except InvalidInputError as error:
        return error.detail
    return ""


def digest_of(definition: JsonObject) -> str:
    """Return the SHA-256 of the definition, in hex."""
    return digest(definition).hex()
