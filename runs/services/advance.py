"""Advance one run by one slice: as many nodes as time, steps and waits allow."""

import logging
import random
from contextlib import closing
from typing import Any

from agentops.common.canonical import Cleaner, NotJsonError
from agentops.common.conf import conf
from agentops.common.errors import TooLargeError
from agentops.common.types import JsonObject
from runs import broadcasts
from runs.checkpoints.cache import StateCache
from runs.checkpoints.chain import IntegrityError
from runs.checkpoints.store import Rebuilt, rebuild
from runs.claims import Claimed
from runs.engine.commands import Advance, Command, Fail, Finish, Goto, Sleep
from runs.engine.context import Context
from runs.engine.control import Cancelled, ControlSignal, SliceOver, Suspend
from runs.engine.errors import EngineError, ProgramError
from runs.engine.journal import NodeJournal, Recorded
from runs.engine.program import Program
from runs.engine.strategy import PLAIN
from runs.engine.updates import apply_delta
from runs.journal import actions, nodes
from runs.journal.actions import Place
from runs.journal.fence import Lease, persist
from runs.journal.pending import Pending, now_seconds
from runs.leases import worker
from runs.models import Run
from runs.services.calling import attempt_row, error_document
from runs.services.flag_integrity import flag_integrity
from runs.services.healing_shell import HealingShell, consult
from runs.services.recover import failure_of, kept_tools, next_rung, strategy_at, take_rung, tried_before
from runs.services.reusing import Reusing
from runs.services.slice_clock import SliceClock
from runs.services.spending import Keeper
from runs.services.state_schema import check_output, check_state
from runs.services.tell_family import tell_family
from runs.services.versions import policy_of, program_of
from runs.services.workspace import Workspace

logger = logging.getLogger(__name__)
_cache = StateCache()

BROKEN_SLICE_PAUSE_SECONDS = 5.0


def advance(claimed: Claimed, *, stopping: Any = None) -> None:
    """Execute nodes of a claimed run until it ends, waits, loses its lease, or its slice is over.

    Whatever happens, the run row says afterwards where the run stands: nothing is held in memory that matters.
    `stopping` is an Event that ends the slice at the next action. Transaction: none open; one a commit.
    """
    try:
        Slice(claimed, stopping).run()
    except ControlSignal as signal:
        logger.debug("run %s left this worker: %r", claimed.lease.run_id, signal)
    except IntegrityError as error:
        _flag(error)
    except ProgramError as error:
        nodes.pause(claimed.lease, kind="program_changed", text=str(error))
    except Exception as error:
        logger.exception("run %s: the slice broke off", claimed.lease.run_id)
        _come_back_later(claimed.lease, error)
    broadcasts.hint(claimed.lease.team_id, claimed.lease.run_id)


def _flag(error: IntegrityError) -> None:
    persist(lambda: flag_integrity(run_id=error.run_id, text=str(error), last_good_seq=error.last_good_seq))


def _come_back_later(lease: Lease, error: Exception) -> None:
    """Let another slice try, after a pause: an error of ours must neither hold the run for ever nor spin."""
    text = f"the runtime met an error and tries again: {error}"[:300]
    nodes.sleep(
        lease, BROKEN_SLICE_PAUSE_SECONDS, waiting_on={"kind": "retry", "text": text}, pending=Pending()
    )


class Slice:
    """One worker's stretch of work on one run."""

    def __init__(self, claimed: Claimed, stopping: Any) -> None:
        self.lease, self.at = claimed.lease, claimed.position
        self.clock = SliceClock(claimed.database_epoch_seconds, is_stopping=stopping)
        self.pending = Pending()
        self.claimed = claimed
        self.attempts_before = claimed.attempts_before
        self.agent, program = persist(lambda: program_of(claimed.agent_version_id))
        self.program: Program = program()
        self.policy = persist(lambda: policy_of(claimed.agent_version_id))
        self.strategy = PLAIN

    def run(self) -> None:
        self._heed_control()
        self.built: Rebuilt = _cache.take(self.lease.run_id, self.at.head_hash) or persist(
            lambda: _rebuilt(self.claimed)
        )
        mode, at = self.claimed.effect_mode, self.at
        self.reusing = Reusing(self.lease, mode, at.branch, at.node_seq) if mode else None
        self.strategy = persist(lambda: strategy_at(self.lease.run_id, at)) if mode else PLAIN
        self.files = Workspace(self.lease, at, self.built.tail)
        self.keeper = Keeper(self.lease)
        with closing(self.files), closing(self.keeper):
            self._nodes()

    def _nodes(self) -> None:
        recorded, next_seq = self._recorded()
        while True:
            next_seq = self._node(recorded, next_seq)
            recorded = []
            broadcasts.hint(self.lease.team_id, self.lease.run_id)
            self._heed_control()
            if self.clock.is_over():
                self._keep_state()
                nodes.release(self.lease)
                raise SliceOver

    def _recorded(self) -> tuple[list[Recorded], int]:
        is_fresh = self.claimed.claims == 1 and self.at.head_seq == 0 and not self.claimed.effect_mode
        return ([], self.at.node_seq + 1) if is_fresh else actions.load_actions(self.lease, self.at.node_seq)

    def _node(self, recorded: list[Recorded], next_seq: int) -> int:
        """Execute the node at hand and commit what it says; returns the next free number."""
        if self.at.node not in self.program.nodes:
            raise ProgramError(f"program {self.program.name!r} no longer has a node {self.at.node!r}")
        journal = NodeJournal(recorded, next_seq=next_seq, max_actions=conf().node_max_actions)
        place = Place(self.at.node_seq, self.at.branch, self.at.node_attempt)
        shell = HealingShell(self.lease, place, self.pending, self.clock)
        shell.strategy, (shell.kept_tools, shell.is_all_kept) = self.strategy, kept_tools(self.policy)
        shell.remember(recorded)
        shell.reusing, shell.files = self.reusing, self.files
        shell.first_failed = min(
            (action.ordinal for action in recorded if action.status == "failed"), default=None
        )
        context = Context(
            shell, journal, run_id=self.lease.run_id, agent=self.agent, attempt=self.at.node_attempt
        )
        context.strategy = self.strategy
        began = now_seconds()
        worker().board.arm(conf().node_timeout_seconds)
        self.keeper.at(self.at.node_seq, journal, recorded)
        try:
            command = self._asked(context)
            self._commit(command, journal)
        except (ControlSignal, IntegrityError):
            raise
        except BaseException as error:  # noqa: BLE001 -- the boundary: whatever an agent raises, even SystemExit
            self._failed(error, shell, journal, began)
        self.clock.n_done += 1
        return journal.next_seq

    def _asked(self, context: Context) -> Command:
        """Return the node's command; a control signal wins over whatever the node made of it."""
        try:
            self.keeper.consult(context)
            consult(context, self.strategy, is_retried=self.attempts_before > 0)
            return self.program.run_node(self.at.node, context, self.built.state)
        finally:
            if context.signal is not None:
                if isinstance(context.signal, Suspend | SliceOver):
                    self._keep_state()
                raise context.signal

    def _commit(self, command: Command, journal: NodeJournal) -> None:
        journal.check_end()
        if isinstance(command, Fail):
            raise AgentFailedError(command.code, command.message)
        assert isinstance(command, Advance)
        files = self.files.change()
        delta = command.updates.delta(Cleaner())
        apply_delta(self.built.state, delta)
        check_state(self.program, self.built.state)
        done = nodes.encode_delta(
            self.lease,
            self.at,
            delta,
            self.built.tail,
            summary=command.note,
            n_actions=journal.ordinal,
            files=files,
        )
        if isinstance(command, Finish):
            output = Cleaner().clean(command.output)
            check_output(self.program, output)
            self._ended(
                has_kin=nodes.commit_finish(self.lease, self.at, done, output=output, pending=self.pending)
            )
            raise SliceOver
        self._go_on(command, done, journal)

    def _go_on(self, command: Advance, done: nodes.NodeCommit, journal: NodeJournal) -> None:
        seq, pending = journal.take_seq(), self.pending
        if isinstance(command, Sleep):
            self.at.control = nodes.commit_sleep(
                self.lease,
                self.at,
                done,
                node=command.node,
                next_seq=seq,
                seconds=command.seconds,
                pending=pending,
            )
            self._heed_control()
            raise SliceOver
        assert isinstance(command, Goto)
        nodes.commit_goto(self.lease, self.at, done, node=command.node, next_seq=seq, pending=pending)
        self.attempts_before = 0
        if self.strategy is not PLAIN:
            self.strategy = strategy_at(self.lease.run_id, self.at)
        self.files.committed()
        if done.segment is not None:
            self.built.tail.start_over(self.at.head_seq, self.at.head_hash)

    def _failed(self, error: BaseException, shell: HealingShell, journal: NodeJournal, began: float) -> None:
        """Record the failed attempt: another one later, or the end of the run."""
        policy = self.program.nodes[self.at.node].retry
        is_final = isinstance(error, _FINAL) and not getattr(error, "retryable", False)
        jitter = random.random()  # noqa: S311 -- jitter
        tries = self.at.node_attempt - self.attempts_before
        delay_seconds = None if is_final else policy.delay_seconds(tries, jitter)
        document = self._document(error)
        self.pending.attempt(
            attempt_row(self.at.node_seq, self.at.node_attempt, document, began, delay_seconds)
        )
        if delay_seconds is None:
            self._recover(error, document, shell, n_actions=journal.ordinal)
            raise SliceOver
        text = f"{self.at.node}: attempt {self.at.node_attempt} of {policy.max_attempts} failed: {error}"[
            :300
        ]
        supersede_from = journal.ordinal if shell.first_failed is None else shell.first_failed
        self.at.control = nodes.retry_node(
            self.lease,
            self.at,
            seconds=delay_seconds,
            text=text,
            supersede_from=supersede_from,
            pending=self.pending,
        )
        self._heed_control()
        raise SliceOver

    def _recover(
        self, error: BaseException, document: JsonObject, shell: HealingShell, *, n_actions: int
    ) -> None:
        """Take the next rung of the recovery policy, or end the run. What an agent says of itself is final."""
        failure, lease, at = failure_of(error, document, shell), self.lease, self.at
        may_heal = not isinstance(error, AgentFailedError)
        decision = persist(lambda: next_rung(lease, at, self.policy, failure)) if may_heal else None
        if decision is not None and not decision.is_end:
            take_rung(lease, at, decision, failure, document, n_actions=n_actions, pending=self.pending)
            return
        if tried := persist(lambda: tried_before(lease.run_id, at)) if self.policy.rules else []:
            document |= {"tried": [*tried]}
        self._ended(
            has_kin=nodes.commit_failure(lease, at, document, n_actions=n_actions, pending=self.pending)
        )

    def _document(self, error: BaseException) -> JsonObject:
        return error_document(error) | {
            "node": self.at.node,
            "seq": self.at.node_seq,
            "attempts": self.at.node_attempt,
        }

    def _ended(self, *, has_kin: bool) -> None:
        if has_kin:
            tell_family(self.lease.run_id)

    def _keep_state(self) -> None:
        _cache.put(self.lease.run_id, self.at.head_hash, self.built)

    def _heed_control(self) -> None:
        """End or pause the run when a person has asked for that."""
        if self.at.control == "cancel":
            self._ended(has_kin=nodes.end_cancelled(self.lease))
            raise Cancelled
        if self.at.control == "pause":
            nodes.pause_asked(self.lease)
            raise SliceOver


class AgentFailedError(Exception):
    """The agent itself said that the run has failed."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


_FINAL = (EngineError, AgentFailedError, NotJsonError, TooLargeError)


def _rebuilt(claimed: Claimed) -> Rebuilt:
    at, lease = claimed.position, claimed.lease
    run = Run(
        id=lease.run_id, team_id=lease.team_id, branch=at.branch, head_seq=at.head_seq, head_hash=at.head_hash,
        input=claimed.input, input_codec=claimed.input_codec,
    )  # fmt: skip
    return rebuild(run)
