"""The audit: entries are only added, with what they tell of or not at all, and every change to them shows."""

import io
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection
from django.test import Client

from agentops.accounts.models import ApiToken
from agentops.accounts.services.create_token import create_token
from agentops.accounts.services.revoke_token import revoke_token
from agentops.audit.chain import NO_TEAM
from agentops.audit.models import Entry, Head
from agentops.audit.services.record import record
from agentops.audit.services.seal_entries import seal_entries
from agentops.audit.verify import verify_chain
from agentops.common.errors import ConflictError, IllegalMoveError
from agentops.common.transactions import transaction
from runs.services.cancel_run import cancel_run
from runs.services.change_trigger import pause_trigger
from runs.services.create_schedule import create_schedule
from runs.services.create_source import create_source
from runs.services.create_trigger import create_trigger
from runs.services.delete_schedule import delete_schedule
from runs.services.delete_source import delete_source
from runs.services.fork_plan import ForkRequest
from runs.services.fork_run import fork_run
from runs.services.pause_run import pause_run
from runs.services.renew_callback_secret import renew_callback_secret
from runs.services.renew_source_secret import renew_source_secret
from runs.services.resume_run import resume_run
from runs.services.schedule_columns import ScheduleSpec
from runs.services.start_bulk import start_bulk
from runs.services.update_schedule import update_schedule
from runs.services.update_source import update_source
from tests.personas import World, actor
from tests.races import at_once
from tests.runs import a_run, drive

pytestmark = pytest.mark.django_db


def add(world: World, n: int = 1) -> None:
    for number in range(n):
        with transaction():
            record(actor=actor(world.ada), action="test.do", subject=f"thing:{number}", detail={"n": number})


def a_chain(world: World, n: int = 5) -> None:
    add(world, n)
    assert seal_entries() == n


def run_sql(sql: str, *values: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql, values)


def behind_the_trigger(sql: str, *values: Any) -> None:
    """Do what only the owner of the tables can: take the protection away first."""
    run_sql("ALTER TABLE audit_entry DISABLE TRIGGER USER")
    run_sql("ALTER TABLE audit_head DISABLE TRIGGER USER")
    run_sql(sql, *values)
    run_sql("ALTER TABLE audit_entry ENABLE TRIGGER USER")
    run_sql("ALTER TABLE audit_head ENABLE TRIGGER USER")


def failures(world: World) -> list[str]:
    return verify_chain(world.analytical.pk).failures


def test_a_chain_that_nobody_touched_is_clean(world: World) -> None:
    a_chain(world, 3)
    add(world, 2)
    verdict = verify_chain(world.analytical.pk)
    assert (verdict.is_clean, verdict.n_entries, verdict.n_unsealed) == (True, 3, 2)
    assert seal_entries() == 2
    assert verify_chain(world.analytical.pk).n_entries == 5
    assert verify_chain(world.brook.pk).n_entries == 0


def test_an_entry_stands_exactly_when_what_it_tells_of_does(world: World) -> None:
    def broken_off() -> None:
        with transaction():
            record(actor=actor(world.ada), action="test.do", subject="thing:1")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        broken_off()
    assert not Entry.objects.filter(action="test.do").exists()


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE audit_entry SET actor = 'nobody'",
        "UPDATE audit_entry SET seq = seq + 10",
        "UPDATE audit_entry SET seq = NULL, seal = NULL",
        "DELETE FROM audit_entry",
        "DELETE FROM audit_head",
        "TRUNCATE audit_entry",
    ],
)
def test_the_database_refuses_to_change_or_delete_entries(world: World, sql: str) -> None:
    a_chain(world)
    if sql.startswith("TRUNCATE"):  # lifted for tests that empty the database after themselves
        run_sql("ALTER TABLE audit_entry ENABLE TRIGGER audit_entry_kept_whole")
    with pytest.raises(DatabaseError, match="only added, never changed"), transaction():
        run_sql(sql)
    assert failures(world) == []


def test_the_database_refuses_to_change_an_entry_while_it_is_sealed(world: World) -> None:
    add(world)
    with pytest.raises(DatabaseError, match="only added, never changed"), transaction():
        run_sql("UPDATE audit_entry SET seq = 1, seal = 'x', actor = 'nobody'")


@pytest.mark.parametrize(
    ("sql", "told"),
    [
        ("UPDATE audit_entry SET actor = 'nobody' WHERE seq = 3", "entry 3 "),
        ("UPDATE audit_entry SET detail = '{}' WHERE seq = 1", "entry 1 "),
        ("UPDATE audit_entry SET at = at - interval '1 day' WHERE seq = 2", "entry 2 "),
        ("DELETE FROM audit_entry WHERE seq = 2", "entries 2 to 2 are missing"),
        ("DELETE FROM audit_entry WHERE seq >= 4", "ends at entry 3, and its head says 5"),
        ("UPDATE audit_head SET seq = 5, seal = 'x'", "its head says"),
        (
            "UPDATE audit_entry e SET actor = o.actor, detail = o.detail FROM audit_entry o WHERE e.seq = 2 AND o.seq = 4",
            "entry 2 ",
        ),
    ],
)
def test_whoever_goes_behind_the_trigger_leaves_a_trace(world: World, sql: str, told: str) -> None:
    a_chain(world)
    behind_the_trigger(sql)
    assert told in "; ".join(failures(world))


def test_cutting_the_chain_short_and_moving_its_head_back_shows(world: World) -> None:
    a_chain(world)
    seal = Entry.objects.get(seq=4).seal
    behind_the_trigger("DELETE FROM audit_entry WHERE seq = 5")
    behind_the_trigger("UPDATE audit_head SET seq = 4, seal = %s", seal)
    assert failures(world) == ["the head of the chain is not what was written"]


def test_the_command_names_what_is_broken_and_fails(world: World) -> None:
    add(world, 3)
    out = io.StringIO()
    call_command("verify_audit", stdout=out)
    assert "0 failures" in out.getvalue()
    behind_the_trigger("UPDATE audit_entry SET actor = 'nobody' WHERE seq = 2")
    with pytest.raises(CommandError, match="not what was written"):
        call_command("verify_audit", stdout=out)
    assert "entry 2 (" in out.getvalue()


def entries(**filters: Any) -> list[tuple[str, str, str]]:
    found = Entry.objects.filter(**filters).order_by("id")
    return [(one.actor, one.action, f"{one.subject_kind}:{one.subject_id}") for one in found]


def test_tokens_are_told_of_and_their_secrets_are_not(world: World) -> None:
    membership = world.ada.memberships.get()
    token, secret = create_token(membership=membership, name="ci", scopes=["read"])
    revoke_token(actor=actor(world.ada), token_id=token.pk)
    assert entries(chain_id=world.analytical.pk) == [
        ("ada", "token.create", f"token:{token.pk}"),
        ("ada", "token.revoke", f"token:{token.pk}"),
    ]
    assert secret not in str(list(Entry.objects.values()))
    assert ApiToken.objects.get().revoked_at


def test_signing_in_and_failing_to_are_told_of_in_each_team(world: World) -> None:
    world.cyd.set_password("correct horse")
    world.cyd.save()
    for password in ("wrong", "correct horse"):
        Client().post("/accounts/login/", {"login": "cyd", "password": password})
    told = [("cyd", "session.refuse", "person:cyd"), ("cyd", "session.begin", "person:cyd")]
    assert entries(chain_id=world.analytical.pk) == told == entries(chain_id=world.brook.pk)
    assert "wrong" not in str(list(Entry.objects.values()))


def test_a_stranger_at_the_door_stands_in_the_audit_of_the_installation(world: World) -> None:
    Client().post("/accounts/login/", {"login": "mallory\0", "password": "x"})
    Client().post("/accounts/login/", {"login": "mallory", "password": "x"})
    assert entries(chain_id=NO_TEAM)[-1] == ("mallory", "session.refuse", "person:mallory")


@pytest.mark.django_db(transaction=True)
def test_clocks_at_once_seal_each_entry_once(world: World) -> None:
    add(world, 200)
    at_once(seal_entries)
    seqs = list(Entry.objects.order_by("seq").values_list("seq", flat=True))
    assert seqs == list(range(1, len(seqs) + 1))
    assert failures(world) == []
    assert Head.objects.get(chain_id=world.analytical.pk).seq == 200


@pytest.mark.django_db(transaction=True)
def test_nothing_is_recorded_outside_of_a_transaction(world: World) -> None:
    with pytest.raises(RuntimeError, match="needs a transaction"):
        record(actor=actor(world.ada), action="test.do", subject="thing:1")


def told(world: World) -> list[str]:
    return list(
        Entry.objects.filter(chain_id=world.analytical.pk).order_by("id").values_list("action", flat=True)
    )


def test_what_people_do_to_runs_is_told_of_and_what_runs_do_is_not(world: World) -> None:
    ada = actor(world.ada)
    run = a_run("test-steps", {"n": 2}, team=world.analytical)
    drive(run)
    fork, _ = fork_run(
        actor=ada, run_id=run.pk, request=ForkRequest(seq=1, effect_mode="live", reason="again")
    )
    pause_run(actor=ada, run_id=fork.pk, reason="wait")
    resume_run(actor=ada, run_id=fork.pk)
    cancel_run(actor=ada, run_id=fork.pk, reason="enough")
    cancel_run(actor=ada, run_id=fork.pk, reason="once more changes nothing")
    start_bulk(actor=ada, verb="retry", query="status:cancelled")
    assert told(world) == ["run.fork", "run.pause", "run.resume", "run.cancel", "bulk.start"]
    kept = Entry.objects.get(action="run.cancel")
    assert (kept.actor, kept.subject_id, kept.detail) == ("ada", str(fork.pk), {"reason": "enough"})


def test_a_verb_that_is_refused_leaves_no_entry(world: World) -> None:
    run = drive(a_run("test-steps", {"n": 1}, team=world.analytical))
    with pytest.raises(IllegalMoveError):
        pause_run(actor=actor(world.ada), run_id=run.pk)
    assert told(world) == []


def test_changes_of_sources_schedules_and_triggers_are_told_of_without_their_secrets(world: World) -> None:
    ada = actor(world.ada)
    source, secret = create_source(actor=ada, slug="shop", kind="webhook")
    _, renewed = renew_source_secret(actor=ada, slug="shop")
    update_source(actor=ada, slug="shop", changes={"paused": True})
    with pytest.raises(ConflictError):
        delete_source(actor=ada, slug="shop", version=source.version)
    delete_source(actor=ada, slug="shop")
    renew_callback_secret(actor=ada)
    spec = ScheduleSpec(cron="@daily", input={"n": 1})
    schedule, _ = create_schedule(actor=ada, agent="test-steps", spec=spec)
    update_schedule(actor=ada, schedule_id=schedule.pk, changes={"cron": "@weekly"})
    delete_schedule(actor=ada, schedule_id=schedule.pk)
    trigger = create_trigger(actor=ada, agent="test-steps", event_name="paid")
    pause_trigger(actor=ada, trigger_id=trigger.pk, is_paused=True)
    assert told(world) == [
        "source.create", "source.renew_secret", "source.update", "source.delete", "callback_secret.renew",
        "schedule.create", "schedule.update", "schedule.delete", "trigger.create", "trigger.update",
    ]  # fmt: skip
    kept = str(list(Entry.objects.values()))
    assert secret not in kept
    assert renewed not in kept
