"""The rehearsal model in tests: the server itself, and a provider that stands for it."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from agentops.common.sealing import seal
from agentops.demo.rehearsal.server import RehearsalModel
from runs.llm.book import place_of
from runs.models import Provider

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
