"""The status of a run, the verbs that move it, and the table of legal moves."""

from enum import StrEnum


class RunStatus(StrEnum):
    """Exactly one holds. Sleeping: a due time; waiting: an event, signal or child; paused: stopped by a person or a budget."""

    QUEUED = "queued"
    RUNNING = "running"
    SLEEPING = "sleeping"
    WAITING = "waiting"
    AWAITING_APPROVAL = "awaiting_approval"
    PAUSED = "paused"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"


class Move(StrEnum):
    """A verb that changes a run's status; each is one conditional UPDATE somewhere in the shell."""

    CLAIM = "claim"
    RELEASE = "release"
    SLEEP = "sleep"
    WAKE = "wake"
    WAIT = "wait"
    DELIVER = "deliver"
    ASK = "ask"
    ANSWER = "answer"
    SUCCEED = "succeed"
    FAIL = "fail"
    PAUSE = "pause"
    RESUME = "resume"
    CANCEL = "cancel"
    KILL = "kill"
    EXPIRE = "expire"
    RETRY = "retry"
    REWIND = "rewind"


S = RunStatus
TERMINAL = frozenset({S.SUCCEEDED, S.FAILED, S.CANCELLED, S.EXPIRED})
OPEN = frozenset(S) - TERMINAL

MOVES: dict[Move, tuple[frozenset[RunStatus], RunStatus]] = {
    Move.CLAIM: (frozenset({S.QUEUED}), S.RUNNING),
    Move.RELEASE: (frozenset({S.RUNNING}), S.QUEUED),
    Move.SLEEP: (frozenset({S.RUNNING}), S.SLEEPING),
    Move.WAKE: (frozenset({S.SLEEPING, S.WAITING, S.AWAITING_APPROVAL}), S.QUEUED),
    Move.WAIT: (frozenset({S.RUNNING}), S.WAITING),
    Move.DELIVER: (frozenset({S.WAITING}), S.QUEUED),
    Move.ASK: (frozenset({S.RUNNING}), S.AWAITING_APPROVAL),
    Move.ANSWER: (frozenset({S.AWAITING_APPROVAL}), S.QUEUED),
    Move.SUCCEED: (frozenset({S.RUNNING}), S.SUCCEEDED),
    Move.FAIL: (frozenset({S.RUNNING}), S.FAILED),
    Move.PAUSE: (OPEN - {S.PAUSED}, S.PAUSED),
    Move.RESUME: (frozenset({S.PAUSED}), S.QUEUED),
    Move.CANCEL: (OPEN, S.CANCELLED),
    Move.KILL: (OPEN, S.CANCELLED),
    Move.EXPIRE: (OPEN, S.EXPIRED),
    Move.RETRY: (frozenset({S.FAILED}), S.QUEUED),
    Move.REWIND: (frozenset(S) - {S.QUEUED, S.RUNNING}, S.QUEUED),
}


def sources(move: Move) -> list[str]:
    """Return the statuses from which `move` is legal, for the WHERE of its UPDATE."""
    return sorted(MOVES[move][0])


def target(move: Move) -> RunStatus:
    """Return the status that `move` leads to."""
    return MOVES[move][1]


def legal_moves(status: RunStatus) -> list[Move]:
    """Return the moves that are legal from `status`, in the table's order."""
    return [move for move, (origins, _) in MOVES.items() if status in origins]
