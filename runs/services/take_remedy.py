"""Climb the ladder of an episode: each remedy is taken once, by whoever moves the episode's row."""

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from agentops.accounts.roles import Actor, Scope
from agentops.common.errors import AgentOpsError
from agentops.common.transactions import transaction
from runs.engine.watch_rules import Remedy, Rule, next_remedy
from runs.journal.fence import execute
from runs.models import Agent
from runs.services.cancel_run import cancel_run
from runs.services.kill_run import kill_run
from runs.services.pause_agent import pause_agent
from runs.services.pause_run import pause_run
from runs.services.send_nudge import HINT, ask_for_handoff, send_nudge
from runs.services.settle_stuck import Episode, was_paused
from runs.services.watch_sights import Watched

THE_WATCH = "the watch"

logger = logging.getLogger(__name__)

_TAKE = """
UPDATE runs_stuckstate SET taken = taken || jsonb_build_object('do', %(do)s::text, 'at', clock_timestamp()),
    tell_at = CASE WHEN %(do)s::text = 'notify' THEN clock_timestamp() ELSE tell_at END
WHERE id = %(id)s AND to_at IS NULL AND jsonb_array_length(taken) = %(n)s
RETURNING id
"""
# Somebody else has paused the run: what the watch would do is left to them.
_PAUSED = """
UPDATE runs_stuckstate SET taken = taken || jsonb_build_object('do', 'pause', 'at', clock_timestamp(), 'by', %(by)s::text)
WHERE id = %(id)s AND to_at IS NULL AND jsonb_array_length(taken) = %(n)s
RETURNING id
"""
_NOTE = """
UPDATE runs_stuckstate SET taken = jsonb_set(taken, ARRAY[%(n)s::text, 'note'], %(note)s::jsonb) WHERE id = %(id)s RETURNING id
"""


def take_remedies(it: Watched, episodes: Sequence[Episode], rules: Mapping[str, Rule]) -> None:
    """Take each remedy whose time has come.

    None is taken for a run that has ended or that somebody has paused, and for a kind that is ignored.
    """
    if it.sight.status == "paused" and it.ended_by != THE_WATCH:
        for episode in episodes if not was_paused(episodes) else ():
            execute(_PAUSED, {"id": episode.id, "by": it.ended_by, "n": len(episode.taken)})
        return
    for episode in episodes:
        n = len(episode.taken)
        while not episode.is_ignored and it.ended_at is None:
            remedy = next_remedy(rules[episode.reason], n, episode.stuck_seconds)
            if remedy is None or not _taken(it, episode, remedy, n):
                break
            n += 1


def _taken(it: Watched, episode: Episode, remedy: Remedy, n: int) -> bool:
    """Return whether it was taken here; one that was refused is passed over, and the episode says why.

    Transaction: one, with the effect in a savepoint.
    """
    with transaction():
        if execute(_TAKE, {"id": episode.id, "do": remedy.do, "n": n}) is None:
            return False
        try:
            with transaction():
                _ACTS[remedy.do](_actor(it), it, f"{episode.reason}: {episode.text}")
        except AgentOpsError as error:
            execute(_NOTE, {"id": episode.id, "n": n, "note": json.dumps(error.detail[:300])})
    return True


def _actor(it: Watched) -> Actor:
    return Actor(it.team_id, None, THE_WATCH, frozenset({Scope.READ, Scope.RUN}))


def _told(_actor: Actor, _it: Watched, _reason: str) -> None:
    """The episode's row says that people are to be told; whoever tells them finds it there."""


def _pause_agent(actor: Actor, it: Watched, reason: str) -> None:
    agent = Agent.objects.get(pk=it.agent_id)
    pause_agent(actor=actor, slug=agent.slug, reason=reason[:1000])


def _of_run(verb: Callable[..., Any]) -> Callable[[Actor, Watched, str], None]:
    def act(actor: Actor, it: Watched, reason: str) -> None:
        verb(actor=actor, run_id=it.id, reason=reason)

    return act


def _nudge(actor: Actor, it: Watched, reason: str) -> None:
    send_nudge(actor=actor, run_id=it.id, reason=f"{reason}. {HINT}")


_ACTS: dict[str, Callable[[Actor, Watched, str], None]] = {
    "notify": _told, "nudge": _nudge, "hand_off": _of_run(ask_for_handoff), "pause": _of_run(pause_run),
    "recall": _of_run(cancel_run), "kill": _of_run(kill_run), "pause_agent": _pause_agent,
}  # fmt: skip
