"""Starting and driving runs in tests, on the real shell."""

from typing import Any
from uuid import UUID

from agentops.accounts.models import Team
from agentops.common.canonical import digest
from agentops.common.ids import new_id
from runs import claims
from runs.checkpoints.blobs import load
from runs.checkpoints.codec import encode
from runs.checkpoints.store import genesis, rebuild
from runs.journal.fence import execute
from runs.models import AgentVersion, Run, Worker
from runs.programs import get_program
from runs.services.advance import advance
from runs.services.register_programs import register_programs
from runs.services.sweep import wake_due
from runs.services.work_on_bulk import work_on_bulk

TERMINAL = {"succeeded", "failed", "cancelled", "expired", "paused"}


def a_team(slug: str = "team-a") -> Team:
    team, created = Team.objects.get_or_create(slug=slug, defaults={"name": slug})
    if created:
        register_programs(team_id=team.pk)
    return team


def a_run(program: str, state: dict[str, Any], *, team: Team | None = None) -> Run:
    """Insert a queued run, as start_run does."""
    team = team or a_team()
    version = AgentVersion.objects.get(team=team, program=program, agent__slug=program)
    run_id, encoded = new_id(), encode(state)
    return Run.objects.create(
        id=run_id, root_id=run_id, team=team, agent_id=version.agent_id, agent_version=version, title=program,
        node=get_program(program).start_node, input=encoded.body, input_codec=encoded.codec,
        head_hash=genesis(team.pk, run_id, encoded), request_hash=digest(state),
    )  # fmt: skip


def a_worker(**columns: Any) -> UUID:
    """Insert the row of a living worker that has no process."""
    row = {"host": "test", "boot_id": "", "pid_ns": "", "pid": 0, "pid_start": 0, **columns}
    return Worker.objects.create(id=new_id(), **row).pk


def claim(worker_id: UUID, queue: str = "default") -> claims.Claimed:
    [claimed] = claims.claim(worker_id=worker_id, queue=queue, limit=1)
    return claimed


def drive(run: Run, *, worker_id: UUID | None = None, slices: int = 200, hurry: bool = True) -> Run:
    """Advance slices until the run has ended; with `hurry`, sleepers are due at once."""
    worker_id = worker_id or a_worker()
    for _ in range(slices):
        run.refresh_from_db()
        if run.status in TERMINAL:
            return run
        if run.status == "sleeping":
            if hurry:
                make_due(run)
            wake_due()
            continue
        advance(claim(worker_id))
    raise AssertionError(f"the run is still {run.status} after {slices} slices")


def work_off() -> None:
    """Work on bulk jobs until none is left; one round of the clock may end earlier on a busy machine."""
    while work_on_bulk():
        pass


def make_due(run: Run) -> None:
    """Move what the run waits for into the past."""
    execute(
        "UPDATE runs_run SET wake_at = now() - interval '1 s' WHERE id = %(id)s AND status = 'sleeping'",
        {"id": run.pk},
    )
    execute(
        "UPDATE runs_step SET due_at = now() - interval '1 s' WHERE run_id = %(id)s AND status = 'running'",
        {"id": run.pk},
    )


def output(run: Run) -> Any:
    return load(run.output_codec, run.output) if run.output is not None else None


def state(run: Run, seq: int | None = None) -> Any:
    return rebuild(run, seq).state
