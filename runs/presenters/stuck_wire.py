"""Stuck runs on the wire."""

from typing import Any

from django.urls import reverse

from runs import schemas_stuck as schemas
from runs.engine.watch_rules import rules_from
from runs.models import Agent, StuckKind, StuckState
from runs.selectors.console.odds import Odds
from runs.selectors.console.stuck import Ended


def kind_out(kind: StuckKind, n_open: int) -> schemas.StuckKindOut:
    return schemas.StuckKindOut(**_facts(kind, n_open))


def detail_out(
    kind: StuckKind, n_open: int, endings: list[Ended], episodes: list[StuckState], next_cursor: str | None
) -> schemas.StuckDetailOut:
    told = [
        schemas.EndingOut(resolution=it.resolution, by=it.by, episodes=it.n, last_at=it.last_at, median_seconds=it.median_seconds)
        for it in endings
    ]  # fmt: skip
    return schemas.StuckDetailOut(
        **_facts(kind, n_open),
        endings=told,
        episodes_page=[episode_out(it) for it in episodes],
        next_cursor=next_cursor,
    )


def episode_out(episode: StuckState) -> schemas.EpisodeOut:
    return schemas.EpisodeOut(
        id=episode.pk, run=episode.run_id, title=episode.run.title, agent=episode.run.agent.slug, reason=episode.reason,
        node=episode.node, text=episode.text, from_at=episode.from_at, to_at=episode.to_at, from_seq=episode.from_seq,
        remedies=episode.taken, resolution=episode.resolution, resolved_by=episode.resolved_by,
    )  # fmt: skip


def watch_out(agent: Agent, declared: dict[str, Any]) -> schemas.WatchOut:
    rules = rules_from({**declared, **agent.watch})
    effective = {
        reason: {"is_on": rule.is_on, **rule.limits, "ladder": [remedy.as_json() for remedy in rule.ladder]}
        for reason, rule in rules.items()
    }
    return schemas.WatchOut(watch=agent.watch, declared=declared, effective=effective)


def odds_out(odds: Odds) -> schemas.OddsOut:
    return schemas.OddsOut(
        runs=odds.n_runs, step_success=odds.step, steps=odds.n_steps, implied=odds.implied, actual=odds.actual
    )


def _facts(kind: StuckKind, n_open: int) -> dict[str, Any]:
    return {
        "fingerprint": kind.fingerprint, "url": reverse("runs:stuck-kind", args=[kind.fingerprint]), "reason": kind.reason,
        "node": kind.node, "error": kind.error, "state": kind.state, "state_by": kind.state_by, "note": kind.note,
        "open": n_open, "episodes": kind.n_episodes, "first_at": kind.first_at, "last_at": kind.last_at,
    }  # fmt: skip
