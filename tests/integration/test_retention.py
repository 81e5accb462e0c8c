"""Policies are carried out on the runs they are for, and on no others."""

from collections.abc import Sequence
from datetime import date
from itertools import product
from uuid import UUID

import pytest
from django.db import connection
from django.test import override_settings

from agentops.audit.models import Entry
from agentops.common.errors import ConflictError, InvalidInputError, NotFoundError
from agentops.common.ids import new_id
from runs.checkpoints.verify import verify_run
from runs.engine.retention import Act, Rule, act_due, dues
from runs.models import (
    Archive,
    Blob,
    Checkpoint,
    Cut,
    RetentionJob,
    RetentionPolicy,
    Run,
    RunHold,
    RunSize,
    Step,
)
from runs.selectors.prune_preview import prune_sums_for
from runs.selectors.retention import due_runs, due_sums, due_sums_for
from runs.services.advance import advance
from runs.services.begin_retention import begin_nights, begin_retention, stop_retention
from runs.services.free_blobs import free_blobs
from runs.services.hold_run import hold_run, release_hold
from runs.services.keeper import Keeper
from runs.services.measure_runs import measure_next
from runs.services.prune_run import prune_run
from runs.services.rewind_run import rewind_run
from runs.services.save_retention import create_retention, remove_retention, update_retention
from runs.services.sweep import wake_due
from runs.services.work_on_retention import work_on_retention
from tests import ledger
from tests.forking import actor_of, fork
from tests.runs import a_run, a_worker, claim, drive, make_due, state

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _ledger() -> None:
    ledger.create()


def aged(run: Run, days: float) -> Run:
    """Return the run as if it had happened so long ago."""
    ago = "- %(days)s * interval '1 day'"
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE runs_run SET created_at = created_at {ago}, ended_at = ended_at {ago} WHERE id = %(id)s",
            {"days": days, "id": run.pk},
        )
        cursor.execute(
            f"UPDATE runs_step SET started_at = started_at {ago}, ended_at = ended_at {ago} WHERE run_id = %(id)s",
            {"days": days, "id": run.pk},
        )
    run.refresh_from_db()
    return run


def old_run(days: float, n: int = 3, how: str = "") -> Run:
    made = a_run("test-misbehaves", {"how": how}) if how else a_run("test-steps", {"n": n})
    return aged(drive(made), days)


def work() -> RetentionJob:
    """Do what is due now, to the end."""
    job = begin_retention(actor=actor_of(Run.objects.first() or a_run("test-steps", {"n": 1})))
    while work_on_retention():
        pass
    job.refresh_from_db()
    return job


def measure() -> None:
    after: UUID | None = UUID(int=0)
    while after is not None:
        after = measure_next(after)


def what_became_of(*runs: Run) -> list[str]:
    found = {run.pk: run for run in Run.objects.filter(pk__in=[run.pk for run in runs])}
    return [
        "gone" if run.pk not in found else "archived" if found[run.pk].archived_at else "whole"
        for run in runs
    ]


def stored_bytes(run_ids: Sequence[UUID]) -> int:
    """Return the bytes of the rows by a sum of its own, table by table."""
    from runs.archives import tables

    total = 0
    with connection.cursor() as cursor:
        for model in tables.MOVED:
            name = tables.table(model)
            cursor.execute(
                f"SELECT coalesce(sum({tables.bytes_of(model, 't')}), 0) FROM {name} t WHERE run_id = ANY(%s)",
                [list(run_ids)],
            )
            total += int(cursor.fetchone()[0])
    return total


def test_a_night_archives_and_deletes_what_is_due_and_the_preview_told_how_much() -> None:
    fresh, middle, old = old_run(1), old_run(10), old_run(40)
    admin = actor_of(fresh)
    create_retention(actor=admin, archive_days=7, delete_days=30)
    measure()
    told = {one.act: one for one in due_sums_for(admin)}
    assert (told[Act.ARCHIVE].n_runs, told[Act.DELETE].n_runs) == (1, 1)
    assert told[Act.ARCHIVE].row_bytes == stored_bytes([middle.pk])
    assert told[Act.DELETE].row_bytes == stored_bytes([old.pk])
    assert not any(one.n_unmeasured for one in told.values())
    job = work()
    assert (job.state, job.n_archived, job.n_deleted, job.n_failed, job.problem) == ("done", 1, 1, 0, "")
    assert job.freed_bytes == job.expected_bytes == sum(one.row_bytes for one in told.values())
    assert what_became_of(fresh, middle, old) == ["whole", "archived", "gone"]
    aged(middle, 30)
    assert work().n_deleted == 1
    assert what_became_of(middle) == ["gone"]
    gone = Archive.objects.get(run_id=middle.pk)
    assert gone.deleted_at
    assert gone.file_deleted_at


def test_the_most_particular_policy_counts_alone() -> None:
    steps, failed, other = old_run(10), old_run(10, how="fails"), old_run(10, 2)
    admin = actor_of(steps)
    create_retention(actor=admin, delete_days=5)
    create_retention(actor=admin, status="failed", archive_days=5)
    create_retention(actor=admin, agent="test-steps", delete_days=100)
    work()
    assert what_became_of(steps, failed, other) == ["whole", "archived", "whole"]
    off = RetentionPolicy.objects.get(agent__slug="test-steps")
    update_retention(actor=admin, policy_id=off.pk, is_on=False)
    work()
    assert what_became_of(steps) == ["whole"], (
        "one that is off keeps its runs, it does not let a wider one in"
    )
    remove_retention(actor=admin, policy_id=off.pk)
    work()
    assert what_became_of(steps) == ["gone"]


def test_sql_and_engine_agree_about_what_is_due() -> None:
    run = old_run(0)
    agent_id, team_id = run.agent_id, run.team_id
    days: list[int | None] = [None, 5, 9]
    rules_tried = 0
    for archive, delete, keeps in product(days, days, [False, True]):
        rule = Rule(new_id(), None, "", archive, delete, None, keeps_files=keeps)
        for age, is_archived in product((4.9, 5.1, 8.9, 9.1), (False, True)):
            Run.objects.filter(pk=run.pk).update(archived_at=run.ended_at if is_archived else None)
            run.refresh_from_db()
            with connection.cursor() as cursor:
                cursor.execute(
                    "UPDATE runs_run SET created_at = now() - interval '99 days',"
                    " ended_at = clock_timestamp() - %s * interval '1 day' WHERE id = %s", [age, run.pk])  # fmt: skip
            found = due_runs(team_id, [rule], behind=None, limit=5)
            expected = act_due(dues([rule], [agent_id], [run.status]), is_archived=is_archived, age_days=age)
            assert [one.act for one in found] == ([expected] if expected else []), (rule, age, is_archived)
            assert sum(one.n_runs + one.n_kept for one in due_sums(team_id, [rule])) == len(found)
            rules_tried += 1
    assert rules_tried == 144


def test_holds_pins_and_families_keep_runs_and_say_so() -> None:
    pinned, held, plain = old_run(10), old_run(10), old_run(10)
    parent, child = old_run(10), a_run("test-steps", {"n": 2})
    Run.objects.filter(pk=child.pk).update(parent=parent, root_id=parent.pk)
    admin = actor_of(plain)
    hold_run(actor=admin, run_id=pinned.pk, reason="the good example")
    hold_run(actor=admin, run_id=held.pk, kind="legal", reason="case 7")
    create_retention(actor=admin, delete_days=5)
    [told] = due_sums_for(admin)
    assert (told.n_runs, told.n_kept) == (1, 3)
    job = work()
    assert (job.n_deleted, job.n_kept) == (1, 3)
    assert what_became_of(pinned, held, plain, parent) == ["whole", "whole", "gone", "whole"]
    release_hold(actor=admin, run_id=held.pk, kind="legal", reason="closed")
    drive(child)
    assert work().n_deleted == 2
    child.refresh_from_db()
    assert (child.parent_id, verify_run(child).is_clean) == (None, True)
    with pytest.raises(InvalidInputError, match="must say why"):
        hold_run(actor=admin, run_id=pinned.pk, kind="legal")
    assert RunHold.objects.count() == 1


def test_a_night_begins_once_and_not_for_what_was_changed_since() -> None:
    admin = actor_of(old_run(10))
    policy = create_retention(actor=admin, delete_days=5)
    with connection.cursor() as cursor:
        cursor.execute("SELECT extract(hour FROM clock_timestamp() AT TIME ZONE 'UTC')::int")
        hour = int(cursor.fetchone()[0])
    with override_settings(AGENTOPS={"retention_hour_utc": hour}):
        assert begin_nights() == 0, "the policy is younger than the night"
        with connection.cursor() as cursor:
            cursor.execute("UPDATE runs_retentionpolicy SET updated_at = now() - interval '1 day'")
        assert (begin_nights(), begin_nights()) == (1, 0)
        assert isinstance(RetentionJob.objects.get().night, date)
    with pytest.raises(ConflictError, match="at work"):
        begin_retention(actor=admin)
    stopped = stop_retention(actor=admin, job_id=RetentionJob.objects.get().pk)
    assert (stopped.state, stopped.problem) == ("stopped", f"stopped by {admin.name}")
    assert not work_on_retention()
    assert Run.objects.count() == 1
    assert policy.version == 1


def test_the_keeper_does_all_of_it_by_itself() -> None:
    fresh, old = old_run(1), old_run(10)
    create_retention(actor=actor_of(old), archive_days=5)
    begin_retention(actor=actor_of(old))
    keeper = Keeper()
    while keeper.round():
        pass
    assert what_became_of(fresh, old) == ["whole", "archived"]
    assert list(RunSize.objects.values_list("run_id", flat=True)) == [fresh.pk]
    assert RetentionJob.objects.get().state == "done"


def test_changes_of_policies_are_in_the_audit_and_versions_are_minded() -> None:
    admin = actor_of(old_run(1))
    policy = create_retention(actor=admin, archive_days=5)
    with pytest.raises(ConflictError, match="there is a policy"):
        create_retention(actor=admin, archive_days=6)
    update_retention(actor=admin, policy_id=policy.pk, version=1, archive_days=6)
    with pytest.raises(ConflictError, match="version 2 now"):
        update_retention(actor=admin, policy_id=policy.pk, version=1, archive_days=7)
    for wrong in ({"archive_days": 0}, {"delete_days": 6}, {"keeps_files": True}):
        with pytest.raises(InvalidInputError):
            update_retention(actor=admin, policy_id=policy.pk, **wrong)
    remove_retention(actor=admin, policy_id=policy.pk)
    told = list(
        Entry.objects.filter(subject_kind="retention").order_by("id").values_list("action", flat=True)
    )
    assert told == ["retention.create", "retention.update", "retention.remove"]


def test_contents_go_when_the_last_run_that_refers_to_them_has_gone() -> None:
    text = "x" * 100_000
    one, other = (drive(a_run("test-filing", {"nodes": [[["write", "a", text]]]})) for _ in "ab")
    assert Blob.objects.count() == 1
    create_retention(actor=actor_of(one), delete_days=5)
    aged(one, 10)
    assert work().n_deleted == 1
    assert free_blobs(b"", grace_seconds=-1.0)[1] == 0
    aged(other, 10)
    assert work().n_deleted == 1
    assert free_blobs(b"")[1] == 0, "stored within the hour"
    n_gone, n_bytes = free_blobs(b"", grace_seconds=-1.0)[1:]
    assert (n_gone, n_bytes > 0, Blob.objects.count()) == (1, True, 0)


def long_run(n: int = 130) -> Run:
    return drive(a_run("test-effects", {"run": "r", "n": n}))


def test_a_pruned_run_has_a_clean_chain_and_the_same_states_behind_the_cut() -> None:
    run = aged(long_run(), 10)
    last, later = state(run), Checkpoint.objects.filter(run=run, kind="d").order_by("-seq")[3].seq
    before = state(run, later)
    n_steps = Step.objects.filter(run=run).count()
    create_retention(actor=actor_of(run), prune_days=5)
    [told] = prune_sums_for(actor_of(run)) or []
    freed = prune_run(run_id=run.pk, after_days=5, by="a test")
    assert (told.act, told.n_runs, told.row_bytes) == (Act.PRUNE, 1, freed)
    assert prune_sums_for(actor_of(run)) == []
    cut = Cut.objects.get(run=run)
    assert cut.row_bytes == freed > 10_000
    assert n_steps - Step.objects.filter(run=run).count() == cut.n_steps > 200
    assert (state(run), state(run, later)) == (last, before)
    assert verify_run(run).is_clean
    with pytest.raises(NotFoundError, match="was pruned"):
        state(run, 1)
    with pytest.raises(NotFoundError):
        fork(run, 0)
    assert verify_run(drive(fork(run, later))).is_clean
    assert prune_run(run_id=run.pk, after_days=5, by="a test") == 0


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE runs_checkpoint SET body = body || ' '::bytea WHERE run_id = %s AND kind = 's'",
        "UPDATE runs_cut SET n_steps = n_steps + 1 WHERE run_id = %s",
        "UPDATE runs_cut SET first_seq = first_seq + 3 WHERE run_id = %s",
        "DELETE FROM runs_cut WHERE run_id = %s",
        "DELETE FROM runs_checkpoint WHERE run_id = %s AND kind = 's'",
        "UPDATE runs_run SET input = input || ' '::bytea WHERE id = %s",
    ],
)
def test_whoever_touches_a_cut_is_found_out(change: str) -> None:
    run = aged(long_run(60), 10)
    prune_run(run_id=run.pk, after_days=5, by="a test")
    with connection.cursor() as cursor:
        cursor.execute(change, [run.pk])
        assert cursor.rowcount == 1
    run.refresh_from_db()
    assert verify_run(run).failures


def test_an_open_run_is_pruned_while_it_sleeps_and_goes_on() -> None:
    steps = [[["test.echo", {"value": n}]] for n in range(70)]
    run = a_run("test-script", {"steps": steps, "rest": 3600})
    worker_id = a_worker()
    while run.n_steps < 120:
        if run.status == "sleeping":
            make_due(run)
            wake_due()
        advance(claim(worker_id))
        run.refresh_from_db()
    aged(run, 10)
    create_retention(actor=actor_of(run), prune_days=5)
    job = work()
    assert (job.n_pruned, job.problem) == (1, "")
    run = drive(run)
    assert (run.status, verify_run(run).is_clean) == ("succeeded", True)
    with pytest.raises(NotFoundError):
        rewind_run(actor=actor_of(run), run_id=run.pk, seq=1)
