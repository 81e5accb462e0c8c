from agentops.accounts.roles import Actor
from runs.services.start_run import start_run

BATCH_ID = "demo-data"
EVERY_FAILING = 10


def start_load(*, actor: Actor, n_runs: int, n_steps: int) -> int:
    """Start real runs of `many-steps` in one batch, every tenth of which fails half way; return how many.

    Transaction: one a run; the workers execute them.
    """
    for number in range(1, n_runs + 1):
        fails = {"fail_at": max(n_steps // 2, 1)} if number % EVERY_FAILING == 0 else {}
        start_run(actor=actor, agent="many-steps", input={"steps": n_steps, **fails}, batch_id=BATCH_ID)
    return n_runs
