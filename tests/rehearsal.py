"""The rehearsal model in tests: the server itself, and a provider that stands for it."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from agentops.common.sealing import seal
from agentops.demo.rehearsal.server import RehearsalModel
from runs.checkpoints.blobs import load
from runs.llm.book import place_of
from runs.models import Outcome, Provider, Step

KEY = "sk-canary-3f9c"


@contextmanager
def rehearsal_model(**behaviour: Any) -> Iterator[RehearsalModel]:
    """A rehearsal model that answers at once, unless told otherwise."""
    with RehearsalModel() as server:
        server.behave(**{"latency_ms": 0, **behaviour})
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield server
        server.shutdown()


def provider(team_id: UUID, server: RehearsalModel, slug: str = "rehearsal", **columns: Any) -> Provider:
    """A provider of the team that is this server; its first is the default one."""
    is_first = not Provider.objects.filter(team_id=team_id).exists()
    catalog = columns.pop(
        "catalog",
        [{"name": "rehearsal", "in_microusd_per_mtok": 1_000_000, "out_microusd_per_mtok": 2_000_000}],
    )
    made = Provider(
        team_id=team_id, slug=slug, kind="compatible", base_url=server.url, catalog=catalog, is_default=is_first,
        created_by="test", **{"timeout_seconds": 5.0, **columns},
    )  # fmt: skip
    made.secret = seal(KEY.encode(), place=place_of(made))
    made.save(force_insert=True)
    return made


def asked_in_vain(model: str) -> int:
    """How often the model was asked and did not answer, as the steps that another one answered in its place tell.

    The server cannot know: on a busy machine it reads a request when the one who asked has gone.
    """
    n = 0
    for step in Step.objects.filter(kind="llm", status="succeeded"):
        outcome = Outcome.objects.get(run_id=step.run_id, seq=step.seq)
        told = load(outcome.body_codec, bytes(outcome.body or b""))["decisions"]
        n += sum(one.startswith(f"{model}: ") and "not asked" not in one for one in told)
    return n


def bear_faults(made: Provider, server: RehearsalModel, n: int = 1) -> None:
    """Once the server has read `n` requests, have patience with it: what it answers then counts, however busy the machine is."""
    until = time.monotonic() + 30
    while len(server.meter.admitted) < n:
        assert time.monotonic() < until, "the server read nothing"
        time.sleep(0.005)
    Provider.objects.filter(pk=made.pk).update(timeout_seconds=30.0)
