"""Children and batches in the console: how far they are, where they are, and who started whom."""

from typing import Any

import pytest
from django.test import Client

from runs.models import Run
from runs.services.advance import advance
from runs.services.cancel_run import cancel_run
from runs.services.start_batch import start_batch
from runs.services.start_run import start_run
from tests.personas import World, actor
from tests.runs import a_worker, claim

pytestmark = pytest.mark.django_db


@pytest.fixture
def ada(world: World, client: Client) -> Client:
    client.force_login(world.ada)
    return client


@pytest.fixture
def parent(world: World) -> Run:
    """Ten children: one has succeeded, one was cancelled, two are under way, six stand in line."""
    given = {"how": "map", "agent": "test-stubborn", "inputs": [{"how": "ok", "n": n} for n in range(10)]}
    more = {"concurrency": 2, "on_failure": "collect", "batch_id": "night/1"}
    parent, _ = start_run(
        actor=actor(world.ada), agent="test-starts", input={**given, "more": more}, title="The <parent>"
    )
    worker = a_worker()
    advance(claim(worker))
    advance(claim(worker))
    cancel_run(actor=actor(world.ada), run_id=Run.objects.get(parent=parent, child_n=9).pk)
    parent.refresh_from_db()
    return parent


def seen(client: Client, address: str) -> str:
    answer = client.get(address)
    assert answer.status_code == 200
    return str(answer.content.decode())


class TestTheRunPage:
    def test_the_step_leads_to_the_children_and_says_how_far_they_are(self, ada: Client, parent: Run) -> None:
        page = seen(ada, f"/runs/{parent.pk}")
        assert f'href="/runs/{parent.pk}/children?seq=2"' in page
        assert "2 of 10 done, 1 failed" in page
        assert 'id="tab-children"' in page

    def test_a_single_child_is_one_click_away(self, world: World, ada: Client) -> None:
        given = {"how": "run", "agent": "test-stubborn", "input": {"how": "nap"}}
        run, _ = start_run(actor=actor(world.ada), agent="test-starts", input=given)
        advance(claim(a_worker()))
        child = Run.objects.get(parent=run)
        assert f'href="/runs/{child.pk}" tabindex="-1"' in seen(ada, f"/runs/{run.pk}")

    def test_a_child_shows_its_parent_and_its_batch(self, ada: Client, parent: Run) -> None:
        page = seen(ada, f"/runs/{Run.objects.get(parent=parent, child_n=0).pk}")
        assert (
            f'<a href="/runs/{parent.pk}" title="The run that started this one">The &lt;parent&gt;</a>'
            in page
        )
        assert 'href="/batches/night/1"' in page

    def test_a_run_without_children_has_no_such_tab(self, world: World, ada: Client) -> None:
        run, _ = start_run(actor=actor(world.ada), agent="test-stubborn", input={"how": "ok"})
        assert 'id="tab-children"' not in seen(ada, f"/runs/{run.pk}")
        assert "This run has started no other runs." in seen(ada, f"/runs/{run.pk}/children")


class TestTheChildren:
    def test_they_are_listed_in_order_by_status(self, ada: Client, parent: Run) -> None:
        page = seen(ada, f"/runs/{parent.pk}/children")
        assert [page.index(f">ok {n}<") for n in range(10)] == sorted(
            page.index(f">ok {n}<") for n in range(10)
        )
        assert "its turn among the children of its parent" in page
        only = seen(ada, f"/runs/{parent.pk}/children?status=cancelled")
        assert ">ok 9<" in only
        assert ">ok 1<" not in only

    def test_a_long_list_has_pages(self, ada: Client, parent: Run, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("runs.views.batches.PAGE_ROWS", 4)
        found: list[str] = []
        address: str | None = f"/runs/{parent.pk}/children"
        while address:
            answer: Any = ada.get(address)
            found += [row.title for row in answer.context["rows"]]
            cursor = answer.context["older"]
            address = f"/runs/{parent.pk}/children?cursor={cursor}" if cursor else None
        assert found == [f"ok {n}" for n in range(10)]

    @pytest.mark.parametrize("query", ["status=nonsense", "seq=x", "seq=99"])
    def test_what_makes_no_sense_is_left_out(self, ada: Client, parent: Run, query: str) -> None:
        assert ada.get(f"/runs/{parent.pk}/children?{query}").status_code == 200


class TestBatches:
    def test_the_list_says_how_far_each_is(self, world: World, ada: Client, parent: Run) -> None:
        start_batch(actor=actor(world.ada), agent="test-stubborn", inputs=[{"how": "ok"}], batch_id="<b>")
        page = seen(ada, "/batches")
        assert 'href="/batches/night/1"' in page
        assert "2 of 10 done, 1 failed" in page
        assert "&lt;b&gt;" in page
        assert page.index("&lt;b&gt;") < page.index("night/1")

    def test_a_batch_shows_its_runs_by_status_and_its_failures(self, world: World, ada: Client) -> None:
        inputs = [{"how": "ok", "n": 1}, {"how": "fail", "n": 2}, {"how": "nap", "n": 3}]
        start_batch(actor=actor(world.ada), agent="test-stubborn", inputs=inputs, batch_id="night")
        worker = a_worker()
        for _ in inputs:
            advance(claim(worker))
        page = seen(ada, "/batches/night")
        assert "2 of 3 done, 1 failed" in page
        assert "/runs?q=batch%3A%22night%22%20status%3Afailed" in page
        assert "it had to be" in page
        assert ">ok 1<" not in page

    def test_its_links_find_its_runs(self, world: World, ada: Client) -> None:
        name = 'a "quoted" \\ name'
        start_batch(
            actor=actor(world.ada), agent="test-stubborn", inputs=[{"how": "ok", "n": 7}], batch_id=name
        )
        answer: Any = ada.get("/batches")
        assert answer.status_code == 200
        page: Any = ada.get("/batches/a%20%22quoted%22%20%5C%20name")
        assert "ok 7" in seen(ada, page.context["all_runs"])

    def test_one_that_is_not_there_is_404(self, ada: Client) -> None:
        assert ada.get("/batches/nothing").status_code == 404

    def test_without_batches_it_says_how_to_make_one(self, ada: Client) -> None:
        assert "POST /runs/batch" in seen(ada, "/batches")
