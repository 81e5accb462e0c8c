"""Move a paused run to the code of another version of its agent (PROTOCOL 26)."""

from uuid import UUID

from agentops.accounts.roles import Actor, Scope
from agentops.common.errors import InvalidInputError
from runs.definitions import program_for
from runs.engine.errors import ProgramError
from runs.engine.states import Move
from runs.models import AgentVersion, Run
from runs.selectors.agents import version_for
from runs.selectors.runs import run_for
from runs.services.control import apply

_MIGRATE = """
UPDATE runs_run SET agent_version_id = %(version_id)s, status = 'queued', paused_from = '', waiting_on = NULL,
    queued_at = clock_timestamp(), ended_by = '', end_reason = ''
WHERE id = %(run_id)s AND team_id = %(team_id)s AND status = ANY(%(sources)s)
    AND NOT 'integrity_failed' = ANY(health) AND node = ANY(%(nodes)s)
RETURNING id
"""


def migrate_run(*, actor: Actor, run_id: UUID, version: int | None = None, reason: str = "") -> Run:
    """Return the run, pinned to another version (the newest published one by default) and queued.

    It goes on at the node where it stands, with its state as it is. Recorded actions of that node must still be
    asked for in the same order; otherwise the run fails with `nondeterminism`.

    Raises: NotFoundError, NotAllowedError; InvalidInputError when the version has no such node or is not installed;
        IllegalMoveError when the run is not paused.
    Locks: the run row. Transaction: opens one, of one statement.
    """
    actor.require(Scope.RUN)
    run = run_for(actor, run_id)
    wanted = version_for(actor, run.agent.slug, version)
    nodes = _nodes(wanted)
    if run.node not in nodes:
        raise InvalidInputError(
            f"version {wanted.number} has no node {run.node!r}, where this run stands; it has {', '.join(nodes)}",
            errors=[{"pointer": "/version", "message": f"has no node {run.node!r}"}],
        )
    return apply(
        _MIGRATE, actor=actor, run_id=run_id, move=Move.RESUME, reason=reason,
        is_done=lambda moved: moved.agent_version_id == wanted.pk and moved.status != "paused" and moved.ended_at is None,
        more={"version_id": wanted.pk, "nodes": nodes},
    )  # fmt: skip


def _nodes(version: AgentVersion) -> list[str]:
    try:
        return list(program_for(version).nodes)
    except ProgramError as error:
        raise InvalidInputError(
            str(error), errors=[{"pointer": "/version", "message": str(error)}]
        ) from error
