"""What one team owns, full of canaries, and every address at which another team might look for it."""

from collections.abc import Iterator
from dataclasses import dataclass
from secrets import token_hex
from typing import Any

from django.urls import URLPattern, URLResolver, get_resolver
from django.utils.regex_helper import normalize

from agentops.accounts.models import ApiToken
from agentops.common.transactions import transaction
from agentops.notify.models import Delivery, Endpoint
from agentops.notify.services.notify import Message, notify
from agentops.notify.topics import Topic
from approvals.engine.calendars import ALWAYS, calendar_data
from approvals.engine.sla import SlaPolicy, policy_data
from approvals.engine.stages import OPEN
from approvals.models import Absence, BusinessCalendar, Comment, EscalationPolicy, Queue, Request, Rule
from memory.services.create_space import create_space
from memory.services.put_item import put_item
from runs.models import (
    Agent,
    AgentVersion,
    Attempt,
    Budget,
    BulkJob,
    BulkResult,
    Callback,
    CallbackAttempt,
    Event,
    Limit,
    LogLine,
    Provider,
    Purse,
    RetentionJob,
    RetentionPolicy,
    Run,
    SavedView,
    Schedule,
    ScheduleFire,
    Source,
    StuckKind,
    Trigger,
    TriggerStart,
)
from runs.services.create_schedule import create_schedule
from runs.services.pause_agent import pause_agent
from runs.services.save_view import save_view
from runs.services.schedule_columns import ScheduleSpec
from runs.services.start_bulk import start_bulk
from runs.services.start_run import start_run
from runs.services.watch_runs import add_episodes
from tests.personas import World, actor, token
from tests.runs import drive


@dataclass(frozen=True, slots=True)
class Belongings:
    """What team Analytical owns, and the strings by which it would be recognised anywhere."""

    run: Run
    agent: Agent
    values: dict[str, str]
    canaries: list[str]

    def addresses(self) -> list[str]:
        """Return every address of the project, with an ended and with an open run of theirs in its place."""
        runs = [self.values, self.values | {"run_id": self.values["open_run_id"]}]
        return sorted({address for values in runs for address in addresses(values)})


def belongings_of_analytical(world: World) -> Belongings:
    """Return runs with states, steps, logs and errors that are full of canaries."""
    mark = f"canary{token_hex(16)}"
    agent = Agent.objects.create(
        team=world.analytical, slug=f"agent-{mark}", title=f"title-{mark}", description=f"text-{mark}"
    )
    AgentVersion.objects.create(
        team=world.analytical, agent=agent, number=1, program="test-calls", program_version="1", source_hash=mark[:64],
        input_schema={"type": "object", "description": f"schema-{mark}"}, published_at="2026-01-01T00:00:00Z",
    )  # fmt: skip
    run = _driven(world, agent, mark, {"tool": "test.echo", "args": {"value": f"value-{mark}"}})
    failed = _driven(world, agent, mark, {"tool": f"tool-{mark}"})
    _annotate(run, mark)
    _annotate(failed, mark)
    secret = token(world.ada, world.analytical)
    callback = _told(run, mark)
    schedule = _scheduled(world, agent, mark)
    values = {
        "run_id": str(run.id), "seq": "2", "slug": agent.slug, "a": "0", "b": "1", "path": f"runs/{run.id}",
        "secret": "used-up-by-nobody", "key": "some-key", "name": "say", "uidb36": "1", "number": "1", "kind": "pin",
        "batch_id": f"batch-{mark}", "callback_id": str(callback.id), "schedule_id": str(schedule.id), "token_id": str(ApiToken.objects.get(user=world.ada).id), "team_id": str(world.analytical.id), "user_id": str(world.ada.pk),
    }  # fmt: skip
    values |= {"job_id": str(_bulk_job(world, run, mark).id), "view_id": str(_saved_view(world, mark).id)}
    values |= {
        "event_id": str(_happened(agent, mark).id),
        "trigger_id": str(Trigger.objects.get(agent=agent).id),
    }
    values |= _notified(world, mark) | _timed(world, mark)
    values["open_run_id"] = str(_started(world, agent, mark, {}).id)
    values |= _on_the_desk(world, run, mark)
    values |= {"space": _remembered(world, values["key"], mark), "verb": "forget"}
    values["fingerprint"] = _stuck(run, mark)
    _asked(agent, mark)
    values["budget_id"] = _budgeted(agent, mark)
    values |= _retained(agent, mark)
    values["scope"] = _limited(agent, values["name"], mark).scope
    pause_agent(actor=actor(world.ada), slug=agent.slug, reason=f"paused-{mark}")
    ids = [
        str(run.id),
        values["open_run_id"],
        run.id.hex,
        str(failed.id),
        failed.id.hex,
        str(schedule.id),
        values["job_id"],
        values["view_id"],
        values["event_id"],
        values["trigger_id"],
        values["request_id"],
        values["rule_id"],
        values["retention_id"],
        values["work_id"],
        values["absence_id"],
        values["budget_id"],
        str(world.analytical.id),
        secret,
    ]
    return Belongings(run, agent, values, [mark, *ids])


def _stuck(run: Run, mark: str) -> str:
    """Return the fingerprint of an episode that the run had, its words, and what people found out about it."""
    add_episodes([{
        "team_id": str(run.team_id), "run_id": str(run.pk), "agent_id": str(run.agent_id), "reason": "looping", "node": f"node-{mark}",
        "error": f"error-{mark}", "text": f"text-{mark}", "fingerprint": f"1-{mark[:32]}", "from_at": "2026-01-01T00:00:00Z",
        "from_seq": 1, "upto_seq": 2, "branch": 1,
    }])  # fmt: skip
    StuckKind.objects.filter(team_id=run.team_id).update(note=f"note-{mark}")
    return f"1-{mark[:32]}"


def _budgeted(agent: Agent, mark: str) -> str:
    """Return the id of a budget of the agent, of which something was spent."""
    who = f"by-{mark}"
    budget = Budget.objects.create(
        team=agent.team, scope="agent", name=agent.slug, agent=agent, period="forever", limits={"steps": {"hard": 10**9}},
        created_by=who, updated_by=who,
    )  # fmt: skip
    Purse.objects.create(
        team_id=agent.team_id, budget=budget, key="forever", spent={"steps": 7}, question=f"question-{mark}"
    )
    return str(budget.pk)


def _retained(agent: Agent, mark: str) -> dict[str, str]:
    """Return the ids of a policy of retention and of a work that is over."""
    who = f"by-{mark}"
    policy = RetentionPolicy.objects.create(
        team=agent.team, agent=agent, archive_days=9, created_by=who, updated_by=who
    )
    job = RetentionJob.objects.create(
        team=agent.team, created_by=who, state="done", problem=f"problem-{mark}"
    )
    return {"retention_id": str(policy.pk), "work_id": str(job.pk)}


def _limited(agent: Agent, key: str, mark: str) -> Limit:
    """Return a limit on the runs of a key."""
    who = f"by-{mark}"
    return Limit.objects.create(
        team=agent.team, scope="key", name=key, max_running=1, created_by=who, updated_by=who
    )


def _remembered(world: World, key: str, mark: str) -> str:
    """Return the name of a space of memory in which something stands under the key."""
    admin = actor(world.ada)
    space = create_space(actor=admin, slug=mark[:40], kind="semantic", title=f"space-{mark}")
    put_item(
        actor=admin,
        space=space.slug,
        key=key,
        text=f"text-{mark}",
        data={"note": f"data-{mark}"},
        tags=[f"tag-{mark}"],
    )
    return space.slug


def _on_the_desk(world: World, run: Run, mark: str) -> dict[str, str]:
    """Return the ids of an open request, a rule and an absence."""
    queue = Queue.objects.create(team=world.analytical, slug=f"queue-{mark}", name=f"queue-{mark}")
    request = Request.objects.create(
        team=world.analytical, run=run, seq=2, kind="approve", agent=f"agent-{mark}", run_title=f"run-{mark}",
        action=f"action-{mark}", summary=f"summary-{mark}", reason=f"reason-{mark}", args={"to": f"args-{mark}"},
        proposed_args={"to": f"args-{mark}"}, args_digest="0" * 64, stages=[OPEN.as_json()], queue=queue,
    )  # fmt: skip
    Comment.objects.create(request=request, actor="ada", text=f"comment-{mark}")
    rule = Rule.objects.create(team=world.analytical, name=f"rule-{mark}", verdict="ask", when={})
    absence = Absence.objects.create(
        team=world.analytical, user=world.ada, delegate=world.cyd, starts_at="2026-01-01T00:00:00Z", ends_at="2099-01-01T00:00:00Z"
    )  # fmt: skip
    return {"request_id": str(request.pk), "rule_id": str(rule.pk), "absence_id": str(absence.pk)}


def _asked(agent: Agent, mark: str) -> Provider:
    """Return a provider of models of the same name as the agent."""
    return Provider.objects.create(
        team=agent.team, slug=agent.slug, kind="compatible", base_url=f"http://{mark}.internal/v1", secret=b"sealed",
        catalog=[{"name": f"model-{mark}"}], created_by=f"by-{mark}",
    )  # fmt: skip


def _bulk_job(world: World, run: Run, mark: str) -> BulkJob:
    job = start_bulk(actor=actor(world.ada), verb="pause", query=f"tag:tag-{mark}", reason=f"reason-{mark}")
    BulkResult.objects.create(job=job, run_id=run.id, problem=f"problem-{mark}")
    return job


def _notified(world: World, mark: str) -> dict[str, str]:
    """Return the ids of an endpoint and of a delivery to it."""
    place = Endpoint.objects.create(
        team=world.analytical, name=f"endpoint-{mark}", kind="slack", url=b"sealed", host=f"{mark}.example:443",
        topics=["sla"], created_by="ada",
    )  # fmt: skip
    message = Message(Topic.SLA, f"key-{mark}", f"title-{mark}", f"text-{mark}", "/approvals")
    with transaction():
        notify(team_id=world.analytical.pk, message=message)
    return {"endpoint_id": str(place.pk), "delivery_id": str(Delivery.objects.get(endpoint=place).pk)}


def _timed(world: World, mark: str) -> dict[str, str]:
    """Return the ids of a calendar and of a policy of escalation that goes by it."""
    who = {"team": world.analytical, "updated_by": "ada"}
    calendar = BusinessCalendar.objects.create(name=f"calendar-{mark}", data=calendar_data(ALWAYS), **who)
    policy = EscalationPolicy.objects.create(
        name=f"policy-{mark}", calendar=calendar, is_on=False, data=policy_data(SlaPolicy("")), **who
    )
    return {"calendar_id": str(calendar.pk), "policy_id": str(policy.pk)}


def _saved_view(world: World, mark: str) -> SavedView:
    return save_view(
        actor=actor(world.ada), name=f"view-{mark[:40]}", query=f"tag:tag-{mark}", is_shared=True
    )


def _driven(world: World, agent: Agent, mark: str, state: dict[str, Any]) -> Run:
    return drive(_started(world, agent, mark, state))


def _started(world: World, agent: Agent, mark: str, state: dict[str, Any]) -> Run:
    run, _ = start_run(
        actor=actor(world.ada), agent=agent.slug, input={**state, "note": f"state-{mark}"}, title=f"run-{mark}",
        tags=[f"tag-{mark}"], batch_id=f"batch-{mark}", idempotency_key=f"key-{mark}-{token_hex(4)}",
    )  # fmt: skip
    return run


def _annotate(run: Run, mark: str) -> None:
    """Put canaries where the test programs leave nothing."""
    LogLine.objects.create(run=run, seq=2, n=99, team_id=run.team_id, level="info", message=f"log-{mark}")
    Attempt.objects.create(
        run=run, seq=2, number=99, team_id=run.team_id, error_code="x", message=f"attempt-{mark}",
        started_at="2026-01-01T00:00:00Z",
    )  # fmt: skip


def _told(run: Run, mark: str) -> Callback:
    """Return a callback of the run, with the log of one attempt."""
    callback = Callback.objects.create(
        run=run, team_id=run.team_id, url=f"https://{mark}.example/", host=f"{mark}.example:443",
        run_status=run.status, ended_at="2026-01-01T00:00:00Z", body=f"body-{mark}".encode(), attempts=1,
    )  # fmt: skip
    CallbackAttempt.objects.create(
        callback=callback, number=1, team_id=run.team_id, ended_at="2026-01-01T00:00:00Z", http_status=500,
        error_code="http_500", answer=f"answer-{mark}",
    )  # fmt: skip
    return callback


def _scheduled(world: World, agent: Agent, mark: str) -> Schedule:
    """Return a schedule with the history of one time."""
    spec = ScheduleSpec(
        cron="@daily",
        input={"note": f"state-{mark}"},
        title=f"schedule-{mark}",
        tags=[f"tag-{mark}"],
        overlap="allow",
    )
    schedule, _ = create_schedule(actor=actor(world.ada), agent=agent.slug, spec=spec)
    ScheduleFire.objects.create(
        schedule=schedule, team_id=schedule.team_id, fire_at="2026-01-01T00:00:00Z", status="failed", reason=f"reason-{mark}"
    )  # fmt: skip
    return schedule


def _happened(agent: Agent, mark: str) -> Event:
    """Return an event of a source that is called as the agent is, and what a trigger made of it."""
    source = Source.objects.create(
        team=agent.team, slug=agent.slug, kind="github", settings={"key_pointer": f"/{mark}"}, secret=b"sealed",
        last_error=f"error-{mark}", created_by=f"by-{mark}",
    )  # fmt: skip
    event = Event.objects.create(
        team=agent.team, name=f"{source.slug}.push"[:200], key=f"key-{mark}", payload={"text": f"payload-{mark}"},
        source=f"hook:{source.slug}"[:100], digest=b"", delivery_id=f"delivery-{mark}",
    )  # fmt: skip
    trigger = Trigger.objects.create(
        team=agent.team, agent=agent, event_name=f"paused-{mark}", match={"text": f"match-{mark}"}, is_paused=True,
        input_template={"note": f"template-{mark}"}, created_by=f"by-{mark}",
    )  # fmt: skip
    TriggerStart.objects.create(trigger=trigger, event_id=event.pk, problem=f"problem-{mark}")
    return event


def addresses(values: dict[str, str]) -> list[str]:
    """Return every address of the project, its parameters filled in from `values`."""
    found = {filled(route, names, values) for route, names in _routes(get_resolver())}
    return sorted(address for address in found if not address.startswith("/static/"))


def _routes(resolver: URLResolver, prefix: str = "") -> Iterator[tuple[str, list[str]]]:
    for pattern in resolver.url_patterns:
        route = prefix + pattern.pattern.regex.pattern.removeprefix("^").removesuffix(r"\Z")
        if isinstance(pattern, URLResolver):
            yield from _routes(pattern, route)
        else:
            assert isinstance(pattern, URLPattern)
            [(shape, names), *_] = normalize(route.removesuffix("$"))
            yield shape, names


def filled(route: str, names: list[str], values: dict[str, str]) -> str:
    for name in names:
        assert name in values, (
            f"the address {route} has a parameter {name!r} that this test does not know: teach it what team "
            "Analytical owns under that name, in the table `values` of tests/belongings.py"
        )
    return "/" + route % values
