"""The calls of the API about stuck runs, about notes for runs, and about what an agent's runs are watched for."""

from typing import Any
from uuid import UUID

from django.http import HttpRequest
from ninja import Body, Query, Router, Status

from agentops.accounts.middleware import caller_of
from agentops.accounts.roles import Actor
from runs import schemas_stuck as schemas
from runs.api_bulk import job_out
from runs.presenters import stuck_wire as wire
from runs.presenters.stuck import REMEDIES, remedy_query
from runs.presenters.wire import run_detail
from runs.schemas import RunOut
from runs.schemas_bulk import BulkJobOut
from runs.selectors.agents import agent_for, version_for
from runs.selectors.console.odds import odds_for
from runs.selectors.console.stuck import (
    endings_for,
    episode_condition,
    episodes_for,
    kind_for,
    kinds_for,
    n_held_up,
)
from runs.services.decide_stuck_kind import decide_stuck_kind
from runs.services.note_look import still_wanted
from runs.services.send_nudge import send_nudge
from runs.services.set_watch import set_watch
from runs.services.start_bulk import start_bulk
from runs.services.watch_runs import declared_rules

router = Router(tags=["stuck"])
run_router = Router(tags=["runs"])
agents_router = Router(tags=["agents"])


@router.get(
    "", response=schemas.StuckKindPageOut, operation_id="list_stuck", summary="List what runs are stuck with"
)
def index(request: HttpRequest, filters: Query[schemas.StuckListIn]) -> schemas.StuckKindPageOut:
    """List kinds of trouble, the one with the newest episode first."""
    page = kinds_for(
        caller_of(request), view=filters.view, text=filters.q, cursor=filters.cursor, limit=filters.limit
    )
    items = [wire.kind_out(it.kind, it.n_open) for it in page.items]
    return schemas.StuckKindPageOut(items=items, next_cursor=page.next_cursor)


@router.get(
    "/{fingerprint}",
    response=schemas.StuckDetailOut,
    operation_id="get_stuck",
    summary="Get a kind of trouble",
)
def get(request: HttpRequest, fingerprint: str, filters: Query[schemas.EpisodesIn]) -> schemas.StuckDetailOut:
    """Get one kind with a page of its episodes, the newest first, and how they ended."""
    actor = caller_of(request)
    kind = kind_for(actor, fingerprint)
    page = episodes_for(actor, fingerprint, text=filters.q, cursor=filters.cursor, limit=filters.limit)
    return wire.detail_out(
        kind, n_held_up(actor, fingerprint), endings_for(actor, fingerprint), page.items, page.next_cursor
    )


@router.patch(
    "/{fingerprint}",
    response=schemas.StuckKindOut,
    operation_id="change_stuck",
    summary="Resolve or ignore a kind of trouble",
)
def change(request: HttpRequest, fingerprint: str, payload: schemas.StuckChangeIn) -> schemas.StuckKindOut:
    """Resolve a kind until it comes again, ignore it, take it up again, or write down what helps."""
    actor = caller_of(request)
    kind = decide_stuck_kind(actor=actor, fingerprint=fingerprint, state=payload.state, note=payload.note)
    return wire.kind_out(kind, n_held_up(actor, fingerprint))


@router.post(
    "/{fingerprint}/remedies",
    response={202: BulkJobOut},
    operation_id="remedy_stuck",
    summary="Apply a verb to all runs of a kind",
)
def remedy(request: HttpRequest, fingerprint: str, payload: schemas.RemedyIn) -> Status[BulkJobOut]:
    """Begin a bulk job for the runs that the kind holds up; `retry` for those that failed of it."""
    actor = caller_of(request)
    query = _runs_of(actor, fingerprint, payload.verb, payload.q)
    return Status(
        202, job_out(start_bulk(actor=actor, verb=payload.verb, query=query, reason=payload.reason))
    )


@run_router.post(
    "/{uuid:run_id}/wanted",
    response={202: RunOut},
    operation_id="keep_run",
    summary="Say that a run is still wanted",
)
def wanted(request: HttpRequest, run_id: UUID) -> Status[RunOut]:
    """Say that a run is still wanted: it does not count as forgotten for as many days as its agent's rules say."""
    return Status(202, run_detail(still_wanted(actor=caller_of(request), run_id=run_id)))


@run_router.post(
    "/{uuid:run_id}/notes", response={202: RunOut}, operation_id="nudge_run", summary="Leave a note for a run"
)
def note(request: HttpRequest, run_id: UUID, payload: schemas.NoteIn) -> Status[RunOut]:
    """Leave a note that a run of a language model reads at its next turn."""
    do: Any = "hand_off" if payload.hand_off else "nudge"
    return Status(
        202, run_detail(send_nudge(actor=caller_of(request), run_id=run_id, reason=payload.text, do=do))
    )


@agents_router.get(
    "/{slug}/watch",
    response=schemas.WatchOut,
    operation_id="get_watch",
    summary="Get what an agent is watched for",
)
def get_watch(request: HttpRequest, slug: str) -> schemas.WatchOut:
    """Get the agent's rules for the watch: what is set, what its code says, and what holds."""
    return _watch(caller_of(request), slug)


@agents_router.put(
    "/{slug}/watch",
    response=schemas.WatchOut,
    operation_id="set_watch",
    summary="Set what an agent is watched for",
)
def put_watch(request: HttpRequest, slug: str, payload: Body[dict[str, Any]]) -> schemas.WatchOut:
    """Set the agent's rules: reasons with numbers and ladders; what is not named keeps what its code says, else its default."""
    set_watch(actor=caller_of(request), slug=slug, watch=payload)
    return _watch(caller_of(request), slug)


@agents_router.get(
    "/{slug}/odds",
    response=schemas.OddsOut | None,
    operation_id="get_odds",
    summary="Get how sure an agent's steps are",
)
def odds(request: HttpRequest, slug: str) -> schemas.OddsOut | None:
    """Get success per step and what it implies for runs; null while no run has succeeded."""
    actor = caller_of(request)
    found = odds_for(actor, agent_for(actor, slug))
    return wire.odds_out(found) if found else None


def _watch(actor: Actor, slug: str) -> schemas.WatchOut:
    return wire.watch_out(agent_for(actor, slug), dict(declared_rules(version_for(actor, slug).pk)))


def _runs_of(actor: Actor, fingerprint: str, verb: str, text: str) -> str:
    """Return the query of the runs that the verb is for. Raises: NotFoundError, BadQueryError."""
    kind_for(actor, fingerprint)
    episode_condition(actor, text)
    part = next(part for name, _label, _icon, part in REMEDIES if name == verb)
    return remedy_query(fingerprint, part, text)
