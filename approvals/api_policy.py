"""The calls of the API about approval rules."""

from dataclasses import asdict
from uuid import UUID

from django.http import HttpRequest
from ninja import Router, Status

from agentops.accounts.middleware import caller_of
from agentops.common.canonical import clean_json
from approvals import schemas_policy as schemas
from approvals.engine.facts import Facts
from approvals.models import Rule
from approvals.selectors.policy import mode_of, modes_for, policy_for, rule_for, rules_for, ruling_on
from approvals.services.open_request import spec_of
from approvals.services.save_rule import RuleSpec, delete_rule, save_rule
from runs.programs import programs

router = Router(tags=["approvals"])


def _out(rule: Rule) -> schemas.RuleOut:
    owner = rule.defined_by.slug if rule.defined_by else None
    told = {name: getattr(rule, name) for name in schemas.RuleOut.model_fields}
    return schemas.RuleOut.model_validate({**told, "defined_by": owner})


@router.get("", response=schemas.RulesOut, operation_id="list_approval_rules", summary="List approval rules")
def rules(request: HttpRequest) -> schemas.RulesOut:
    """List the rules of the team; their order means nothing."""
    actor = caller_of(request)
    items = [_out(rule) for rule in rules_for(actor)]
    mode = policy_for(actor).mode
    return schemas.RulesOut(mode=mode, agent_modes=modes_for(actor), items=items)  # type: ignore[arg-type]  # as constrained


@router.post(
    "", response={201: schemas.RuleOut}, operation_id="create_approval_rule", summary="Write an approval rule"
)
def create(request: HttpRequest, payload: schemas.RuleIn) -> Status[schemas.RuleOut]:
    """Write a rule; it counts for every write from now on. 422 when its stages can never be met."""
    return Status(201, _out(save_rule(actor=caller_of(request), spec=RuleSpec(**payload.model_dump()))))


@router.post(
    "/preview",
    response=schemas.TriedOut,
    operation_id="preview_approval_rules",
    summary="Try the approval rules",
)
def preview(request: HttpRequest, payload: schemas.TriedIn) -> schemas.TriedOut:
    """Tell what would become of a call; nothing is called."""
    actor = caller_of(request)
    policy_for(actor)
    programs()
    spec, args = spec_of(payload.tool), clean_json(payload.args)
    assert isinstance(args, dict)
    facts = Facts(payload.agent, payload.tool, spec.effect.value if spec else "write", args)
    mode = mode_of(actor.team_id, payload.agent)
    found = ruling_on(actor.team_id, facts, mode)
    return schemas.TriedOut.model_validate({
        "verdict": found.verdict, "mode": mode, "rule": found.rule.name if found.rule else None, "others": list(found.others),
        "why": found.why, "stages": [stage.as_json() for stage in found.stages], "effect": facts.effect,
        "sql_verbs": sorted(facts.sql_verbs), "data_classes": sorted(facts.data_classes),
    })  # fmt: skip


@router.get(
    "/{uuid:rule_id}",
    response=schemas.RuleOut,
    operation_id="get_approval_rule",
    summary="Get an approval rule",
)
def one(request: HttpRequest, rule_id: UUID) -> schemas.RuleOut:
    """Get a rule."""
    return _out(rule_for(caller_of(request), rule_id))


@router.patch(
    "/{uuid:rule_id}",
    response=schemas.RuleOut,
    operation_id="update_approval_rule",
    summary="Change an approval rule",
)
def update(request: HttpRequest, rule_id: UUID, payload: schemas.RulePatchIn) -> schemas.RuleOut:
    """Change what the body names; 409 when the rule is not at `version` any more. What was decided under it stands."""
    given = payload.model_dump(exclude={"version"}, exclude_none=True)
    rule = rule_for(caller_of(request), rule_id)
    before = RuleSpec(rule.name, rule.verdict, rule.when, rule.stages, rule.is_on, rule.position)
    spec = RuleSpec(**{**asdict(before), **given})
    return _out(save_rule(actor=caller_of(request), spec=spec, rule_id=rule_id, version=payload.version))


@router.delete(
    "/{uuid:rule_id}",
    response={204: None},
    operation_id="delete_approval_rule",
    summary="Remove an approval rule",
)
def remove(request: HttpRequest, rule_id: UUID) -> Status[None]:
    """Remove a rule; what was decided under it stands."""
    delete_rule(actor=caller_of(request), rule_id=rule_id)
    return Status(204, None)
