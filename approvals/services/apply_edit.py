"""Put other arguments in the place of the proposed ones."""

from typing import Any

from agentops.common.canonical import digest
from agentops.common.conf import conf
from agentops.common.transactions import transaction_required
from agentops.common.types import JsonObject
from approvals.engine.digests import summary
from approvals.engine.rules import Ruling, is_stricter
from approvals.engine.stages import stages_of
from approvals.models import Decision, Queue, Request
from approvals.selectors.policy import facts_of, mode_of, ruling_on
from approvals.services.open_request import digest_of, spec_of
from runs.json_schema import check
from runs.models import Run
from runs.programs import programs
from runs.services.checks import misfit
from runs.services.incoming import checked_payload


@transaction_required
def apply_edit(request: Request, args: Any) -> None:
    """Change the arguments of a request that is locked; approvals of the earlier ones are void, and stages begin anew.

    The arguments must fit the schema as it was when the request opened and as it is now, and pass the rules; where these are
    stricter about them, so are the stages.

    Raises: InvalidInputError with pointers.
    """
    programs()
    found = checked_args(request, args)
    if digest(found) == digest(request.args):
        return
    spec = spec_of(request.action)
    Decision.objects.filter(request=request, void_reason="").update(
        void_reason="the arguments were edited after it"
    )
    request.args, request.stage = found, 0
    request.args_digest = digest_of(request.run_id, request.seq, request.action, spec, found)
    request.summary = summary(request.action, found)[:500]
    request.evidence = request.evidence | {"tool": request.evidence.get("tool", "")}
    _tighten(request)
    request.save(update_fields=["args", "stage", "args_digest", "summary", "stages", "rule", "queue"])


def checked_args(request: Request, args: Any) -> JsonObject:
    """Return the arguments when the tool takes them.

    Raises: InvalidInputError with pointers.
    """
    found = checked_payload(args, max_bytes=conf().input_max_bytes)
    if not isinstance(found, dict):
        raise misfit("/args", "must be an object: the arguments to use instead")
    spec = spec_of(request.action)
    for schema in (request.args_schema, spec.args_schema if spec else None):
        if schema:
            check(found, schema, what="the arguments")
    if not request.args_schema:
        _check_types(request.proposed_args, found)
    return found


def _check_types(proposed: Any, found: JsonObject) -> None:
    """Keep the types of what the agent proposed where no schema tells of them: a number stays a number."""
    for name, before in (proposed or {}).items():
        if (
            before is not None
            and name in found
            and found[name] is not None
            and _kind(before) != _kind(found[name])
        ):
            told = f"was {_kind(before)} and must stay it, not {_kind(found[name])}"
            raise misfit("/" + name.replace("~", "~0").replace("/", "~1"), told, what="the arguments")


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "true or false"
    kinds = {int: "a number", float: "a number", str: "text", list: "a list", dict: "an object"}
    return kinds.get(type(value), "nothing")


def _tighten(request: Request) -> None:
    """Let the rules judge the new arguments; they may ask for more, never for less.

    Raises: InvalidInputError when a rule denies them.
    """
    run = Run.objects.select_related("agent").defer("input", "output").get(pk=request.run_id)
    mode = mode_of(run.team_id, run.agent.slug, run.agent_version_id)
    ruling = ruling_on(
        run.team_id, facts_of(run, request.action, request.effect or "write", request.args), mode
    )
    if mode == "monitor" or not is_stricter(ruling, Ruling("ask", None, stages_of(request.stages))):
        return
    if ruling.verdict == "deny":
        raise misfit("/args", ruling.why, what="the edit")
    request.stages = [stage.as_json() for stage in ruling.stages]
    request.rule = {
        "name": ruling.rule.name if ruling.rule else "",
        "verdict": ruling.verdict,
        "why": ruling.why,
    }
    request.queue = Queue.objects.filter(team_id=run.team_id, slug=ruling.stages[0].queue).first()
