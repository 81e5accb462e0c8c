"""Take over the limits that programs declare in their code."""

from uuid import UUID

from django.db.models import F, Q
from django.db.models.functions import Now

from agentops.common.transactions import transaction
from runs.engine.limits import LimitScope, name_of_keys
from runs.engine.program import Program
from runs.models import Agent, AgentVersion, Limit
from runs.programs import programs

Declared = dict[tuple[str, str], int]


def declare_limits(*, team_id: UUID) -> None:
    """Make the team's limits those that its agents' code declares, but for what a person has set.

    Of an agent with several versions the newest published one counts, where its code is installed here; otherwise what was
    declared before stays. Transaction: one an agent whose declaration is new.
    """
    known, standing = programs(), _standing(team_id)
    newest = AgentVersion.objects.filter(team_id=team_id, published_at__isnull=False)
    for version in newest.order_by("agent_id", "-number").distinct("agent_id").select_related("agent"):
        program = known.get((version.program, version.program_version))
        if program is not None:
            _declare(version.agent, _declared(version.agent, program), standing.get(_by(version.agent), {}))


def _by(agent: Agent) -> str:
    return f"the code of agent {agent.slug}"


def _standing(team_id: UUID) -> dict[str, Declared]:
    found: dict[str, Declared] = {}
    for row in Limit.objects.filter(team_id=team_id, is_declared=True):
        found.setdefault(row.created_by, {})[row.scope, row.name] = row.max_running
    return found


def _declare(agent: Agent, declared: Declared, standing: Declared) -> None:
    if standing == declared:
        return
    by = _by(agent)
    mine = Limit.objects.filter(team_id=agent.team_id, is_declared=True, created_by=by)
    with transaction():
        for scope, name in standing.keys() - declared.keys():
            mine.filter(scope=scope, name=name).delete()
        for (scope, name), max_running in declared.items():
            row = Limit(
                team_id=agent.team_id, scope=scope, name=name, max_running=max_running, is_declared=True, created_by=by,
                updated_by=by, agent=agent if scope == LimitScope.AGENT else None,
            )  # fmt: skip
            Limit.objects.bulk_create([row], ignore_conflicts=True)
            mine.filter(Q(scope=scope, name=name) & ~Q(max_running=max_running)).update(
                max_running=max_running, version=F("version") + 1, updated_at=Now()
            )


def _declared(agent: Agent, program: type[Program]) -> Declared:
    found: Declared = {}
    if program.max_running is not None:
        found[LimitScope.AGENT, agent.slug] = program.max_running
    if program.max_running_per_key is not None:
        found[LimitScope.KEY, name_of_keys(program.concurrency_key)] = program.max_running_per_key
    return found
