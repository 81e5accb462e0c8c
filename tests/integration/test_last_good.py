"""A run whose rows fail their check offers the last good checkpoint, and a fork from there goes on and is clean."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from agentops.common.errors import IllegalMoveError
from runs.checkpoints.verify import verify_run
from runs.models import Blob, Checkpoint, Outcome, Run, Step
from runs.services.check_chain import check_chain
from runs.services.rewind_run import rewind_run
from tests import ledger
from tests.filing import kept
from tests.forking import actor_of, fork
from tests.personas import World
from tests.runs import a_run, drive

pytestmark = pytest.mark.django_db
Harm = Callable[[Run], object]

N_NODES, N_WITH_SEGMENT = 10, 56


def row(run: Run, kind: str, seq: int) -> Any:
    return Checkpoint.objects.filter(run=run, kind=kind, seq=seq)


def node_seq(run: Run, n: int) -> int:
    """Return the seq of the n-th node, from 1."""
    return list(Step.objects.filter(run=run, depth=0).order_by("seq").values_list("seq", flat=True))[n - 1]


HARMS: dict[str, tuple[Harm, int]] = {
    "a delta altered": (lambda run: row(run, "d", node_seq(run, 8)).update(body=b"[]", codec=0), 7),
    "a delta gone": (lambda run: row(run, "d", node_seq(run, 8)).delete(), 7),
    "a segment altered": (lambda run: Checkpoint.objects.filter(run=run, kind="g").update(body=b"[]", codec=0), 49),
    "a change of files altered": (lambda run: row(run, "c", node_seq(run, 8)).update(body=b"{}", codec=0), 7),
    "a change of files gone": (lambda run: row(run, "c", node_seq(run, 8)).delete(), 7),
    "a content altered": (lambda run: Blob.objects.filter(body=b"file 7").update(body=b"file 9"), 7),
    "a content gone": (lambda run: Blob.objects.filter(body=b"file 7").delete(), 7),
    "an outcome altered": (lambda run: Outcome.objects.filter(run=run, seq=2).update(body=b"9", body_codec=0), 9),
    "the output altered": (lambda run: Run.objects.filter(pk=run.pk).update(output=b"1", output_codec=0), 9),
    "the first delta gone": (lambda run: row(run, "d", 1).delete(), 0),
}  # fmt: skip


def finished(world: World, n_nodes: int = N_NODES) -> Run:
    """Return a run that has left a file in each of its nodes."""
    ledger.create()
    nodes = [
        [["write", f"{n}.txt", f"file {n}"], ["tool", "test.echo", {"value": n}]] for n in range(n_nodes)
    ]
    return drive(a_run("test-filing", {"nodes": nodes}, team=world.analytical))


@pytest.mark.parametrize("harm", HARMS)
def test_the_last_good_checkpoint_is_offered_and_can_be_forked(
    world: World, client_for: Callable[..., Client], harm: str
) -> None:
    do_harm, n_good = HARMS[harm]
    run = finished(world, N_WITH_SEGMENT if "segment" in harm else N_NODES)
    last_good = node_seq(run, n_good) if n_good else 0
    do_harm(run)
    assert not check_chain(actor=actor_of(run), run_id=run.pk).is_clean
    run.refresh_from_db()
    assert "integrity_failed" in run.health
    assert run.waiting_on["last_good_seq"] == last_good
    page = client_for(world.ada).get(f"/runs/{run.pk}").content.decode()
    assert f'/runs/{run.pk}/fork?from={last_good}"' in page
    with pytest.raises(IllegalMoveError):
        rewind_run(actor=actor_of(run), run_id=run.pk, seq=last_good)
    child = fork(run, last_good, "live")
    assert sorted(kept(child, 0)) == sorted(f"{n}.txt" for n in range(n_good))
    if harm.startswith(("a content", "a delta gone")):
        child = drive(child)
        assert (child.status, verify_run(child).is_clean) == ("succeeded", True)
        assert sorted(kept(child)) == sorted(f"{n}.txt" for n in range(N_NODES))


def test_the_api_offers_it_too(world: World, api: Callable[..., Client]) -> None:
    ada, run = api(world.ada, world.analytical), finished(world)
    last_good = node_seq(run, 7)
    row(run, "c", node_seq(run, 8)).delete()
    found = ada.get(f"/api/v1/runs/{run.pk}/verify").json()
    assert (found["clean"], found["last_good_seq"]) == (False, last_good)
    body = {"seq": last_good, "effect_mode": "recorded", "reason": "the rest was altered"}
    answer = ada.post(f"/api/v1/runs/{run.pk}/fork", body, "application/json")
    assert answer.status_code == 202, answer.content
    assert drive(Run.objects.get(pk=answer.json()["id"])).status == "succeeded"
    refused = ada.post(f"/api/v1/runs/{run.pk}/fork", {**body, "seq": last_good + 2}, "application/json")
    assert refused.status_code == 409
    assert refused.json()["code"] == "integrity_failed"
