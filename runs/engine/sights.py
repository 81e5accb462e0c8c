"""What a watcher sees of an open run: the facts that detectors judge (pure). Readers fill them in for many runs at once."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Act:
    """One ended action. `call` is the digest of what was asked, `result` that of what came; `kind` is that of its step."""

    seq: int
    kind: str
    name: str
    call: str
    result: str
    status: str
    began_at: datetime
    ended_at: datetime

    @property
    def print(self) -> tuple[str, str, str]:
        """What makes two calls the same, with the same result."""
        return self.name, self.call, self.result


@dataclass(frozen=True, slots=True)
class Slip:
    """One failed try at a step, which is called `name`."""

    seq: int
    name: str
    code: str
    message: str
    at: datetime


@dataclass(frozen=True, slots=True)
class OpenWait:
    """One thing that a run waits for. `child_ended_at` is when the child that it waits for ended; `is_lost`: there is none."""

    kind: str
    timeout_at: datetime
    child_ended_at: datetime | None = None
    is_lost: bool = False


@dataclass(frozen=True, slots=True)
class Usual:
    """What is usual for runs of an agent, from its newest successes: 0 and None where too few are known."""

    n_runs: int = 0
    p95_seconds: float | None = None
    median_microusd_a_minute: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """One run at the instant `now`; acts and slips in the order in which they happened, only the last ones.

    `quiet_since` is when somebody last looked at the run or acted on it, else when it was created. `silent_since`
    is when its worker was last heard of, None while it is well. `n_own_ancestors` counts parents of parents that
    are runs of the same agent.
    """

    now: datetime
    status: str
    node: str
    created_at: datetime
    started_at: datetime | None = None
    queued_at: datetime | None = None
    node_at: datetime | None = None
    deadline_at: datetime | None = None
    wake_at: datetime | None = None
    acts: Sequence[Act] = ()
    slips: Sequence[Slip] = ()
    waits: Sequence[OpenWait] = ()
    n_open_steps: int = 0
    has_worker: bool = True
    silent_since: datetime | None = None
    quiet_since: datetime | None = None
    cost_microusd: int = 0
    usual: Usual = Usual()
    n_own_ancestors: int = 0
    n_own_starts: int = 0


@dataclass(frozen=True, slots=True)
class Finding:
    """Why a run is stuck: `since` when it began, `name` where (a node, or the call that repeats), `error` what fails."""

    reason: str
    text: str
    since: datetime
    name: str = ""
    error: str = ""
    from_seq: int = 0
