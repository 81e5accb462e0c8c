"""What is remembered: revisions, races, expiry, search, agents' tools, undoing a run."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection

from agentops.common.errors import ConflictError, InvalidInputError, NotAllowedError, NotFoundError
from agentops.common.ids import new_id
from memory.adapters import vectors
from memory.engine.kinds import ItemStatus, SearchMode, Trust
from memory.models import Item, Revision, Space
from memory.selectors.items import item_for, items_for, revisions_of
from memory.selectors.search import search
from memory.selectors.spaces import space_for
from memory.services import change_item
from memory.services import put_item as putting
from memory.services.create_space import create_space
from memory.services.embed_items import Walk
from memory.services.put_item import put_item
from memory.services.revising import Origin
from memory.services.undo_run import undo_run
from memory.services.update_space import update_space
from runs.engine.errors import ToolError
from runs.engine.tools import ToolCall
from runs.journal.fence import execute
from runs.tools.registry import get_tool
from tests.personas import World, actor

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def facts(world: World) -> None:
    create_space(actor=actor(world.ada), slug="facts", kind="semantic")


def put(world: World, key: str, text: str, **more: object) -> Item:
    return put_item(actor=actor(world.ada), space="facts", key=key, text=text, **more)  # type: ignore[arg-type]  # as given


def found(world: World, query: str, **more: object) -> list[str]:
    return [hit.item.key for hit in search(actor(world.ada), query=query, **more).hits]  # type: ignore[arg-type]  # as given


def call(world: World, key: str = "k1") -> ToolCall:
    return ToolCall(world.analytical.pk, new_id(), 7, 1, key, 10.0)


def test_each_write_is_a_revision_and_any_of_them_can_be_restored(world: World) -> None:
    put(world, "office", "Monday to Friday")
    item = put(world, "office", "every day", tags=["hours"], reason="they open on Sunday now")
    assert (item.version, item.text) == (2, "every day")
    back = change_item.restore_item(actor=actor(world.ada), space="facts", key="office", version=1)
    assert (back.version, back.text, back.tags) == (3, "Monday to Friday", [])
    assert [row.version for row in revisions_of(actor(world.ada), back)] == [3, 2, 1]


def test_of_two_writers_who_saw_the_same_version_one_is_told_who_was_quicker(world: World) -> None:
    put(world, "office", "Monday")

    def write(text: str) -> str:
        try:
            put(world, "office", text, if_version=1)
        except ConflictError as error:
            return error.detail
        finally:
            connection.close()
        return "written"

    with ThreadPoolExecutor(2) as pool:
        told = sorted(pool.map(write, ["Tuesday", "Wednesday"]), key=len)
    assert told[0] == "written"
    assert "is at version 2, written by ada" in told[1]
    assert Revision.objects.count() == 2


def test_many_who_write_at_once_lose_nothing(world: World) -> None:
    def write(n: int) -> None:
        put(world, "diary", f"entry {n}")
        connection.close()

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(write, range(12)))
    assert sorted(Revision.objects.values_list("version", flat=True)) == list(range(1, 13))


def test_the_control_without_the_lock_loses_writes(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def unlocked(space: Space, key: str, author: str) -> Item:
        return Item.objects.defer("words").get(space=space, key=key)

    put(world, "diary", "entry")
    monkeypatch.setattr(putting, "locked_item", unlocked)

    def write(n: int) -> bool:
        try:
            put(world, "diary", f"entry {n}")
        except Exception:  # noqa: BLE001 -- whatever the collision is called
            return False
        finally:
            connection.close()
        return True

    with ThreadPoolExecutor(8) as pool:
        assert not all(pool.map(write, range(24)))


def test_what_has_expired_is_gone_in_the_same_second(world: World) -> None:
    put(world, "code", "the door code is 4711", ttl_seconds=3600)
    assert found(world, "door code") == ["code"]
    execute("UPDATE memory_item SET expires_at = clock_timestamp()", {})
    assert found(world, "door code") == []
    space = space_for(actor(world.ada), "facts")
    assert items_for(actor(world.ada), space, status="active").items == []
    assert [item.key for item in items_for(actor(world.ada), space, status="expired").items] == ["code"]
    with pytest.raises(NotFoundError):
        item_for(actor(world.ada), "facts", "code", is_visible=True)


def test_a_question_finds_its_answer_though_few_of_its_words_are_there(world: World) -> None:
    put(world, "refunds", "Money is given back within fourteen days of the purchase.")
    put(world, "shipping", "Parcels leave the warehouse at noon.")
    assert found(world, "when do customers get their money back?", mode=SearchMode.LEXICAL) == ["refunds"]


def test_words_that_are_misspelt_are_found_by_their_letters(world: World) -> None:
    if not vectors.is_available():
        pytest.skip("this database has no extension vector")
    put(world, "supplier", "Kowalczyk delivers the packaging")
    put(world, "rent", "The rent is due on the first")
    assert found(world, "Kowalcyk packagings", mode=SearchMode.VECTOR)[:1] == ["supplier"]
    assert found(world, "Kowalcyk packagings")[:1] == ["supplier"]


def test_what_is_older_than_the_vectors_is_embedded_by_and_by(world: World) -> None:
    if not vectors.is_available():
        pytest.skip("this database has no extension vector")
    put(world, "supplier", "Kowalczyk delivers the packaging")
    put(world, "rent", "The rent is due on the first")
    execute(
        "DELETE FROM memory_embedding WHERE item_id = (SELECT id FROM memory_item WHERE key = 'supplier')", {}
    )
    execute("UPDATE memory_embedding SET profile = 'letters-256'", {})
    assert found(world, "Kowalcyk packagings", mode=SearchMode.VECTOR) == []
    walk = Walk()
    assert [walk.go_on(), walk.go_on()] == [2, 0]
    assert found(world, "Kowalcyk packagings", mode=SearchMode.VECTOR) == ["supplier"]


def test_without_vectors_a_search_looks_by_words(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vectors, "is_available", lambda: False)
    put(world, "rent", "The rent is due on the first")
    result = search(actor(world.ada), query="rent")
    assert ([hit.item.key for hit in result.hits], result.legs) == (["rent"], ("lexical",))


@pytest.mark.parametrize("query", ["' | !! & (", "a:b:*", "\\", "x" * 2000, "💥 ' ' '", "the of and"])
def test_no_query_breaks_the_search(world: World, query: str) -> None:
    put(world, "rent", "The rent is due on the first")
    found(world, query)


def test_what_counts_for_more_comes_first(world: World) -> None:
    put(world, "guess", "the server room is on floor three", trust=Trust.UNTRUSTED)
    put(world, "fact", "the server room is on floor three")
    assert found(world, "server room") == ["fact", "guess"]
    assert found(world, "server room", min_trust=Trust.AGENT) == ["fact"]


def test_a_budget_of_tokens_cuts_the_list_and_leaves_one(world: World) -> None:
    for n in range(4):
        put(world, f"note-{n}", f"the boiler {n} " + "hums " * 100)
    assert len(found(world, "boiler", budget_tokens=300)) == 2
    assert len(found(world, "boiler", budget_tokens=1)) == 1


def test_nothing_of_another_team_is_found(world: World) -> None:
    put(world, "secret", "the vault is behind the mirror")
    create_space(actor=actor(world.bea), slug="facts", kind="semantic")
    assert search(actor(world.bea), query="vault mirror").hits == []
    with pytest.raises(NotFoundError):
        item_for(actor(world.bea), "facts", "secret")


def test_a_full_space_forgets_the_least_but_nothing_pinned(world: World) -> None:
    update_space(actor=actor(world.ada), slug="facts", changes={"max_items": 2})
    put(world, "pinned", "kept", importance=0.0, is_pinned=True)
    put(world, "small", "of little use", importance=0.1)
    put(world, "big", "of great use", importance=0.9)
    assert dict(Item.objects.values_list("key", "status")) == {
        "pinned": "active", "small": "forgotten", "big": "active",
    }  # fmt: skip


class TestAgents:
    def test_a_call_that_is_repeated_writes_once(self, world: World) -> None:
        tool, one = get_tool("memory.put"), call(world)
        args = {"space": "facts", "key": "city", "text": "Lisbon"}
        assert (
            tool.run(one, **args)
            == tool.run(one.again(2), **args)
            == {"key": "city", "version": 1, "status": "active"}
        )
        assert Revision.objects.get().run_id == one.run_id

    def test_what_one_run_has_learnt_the_next_one_finds_and_a_correction_counts(self, world: World) -> None:
        get_tool("memory.put").run(call(world), space="facts", key="city", text="The office is in Lisbon")
        put(world, "city", "The office is in Porto", if_version=1)
        answer: Any = get_tool("memory.search").run(call(world, "k2"), query="where is the office?")
        assert [(item["text"], item["trust"]) for item in answer["items"]] == [
            ("The office is in Porto", "human")
        ]

    def test_where_a_person_must_look_first_nothing_counts_before(self, world: World) -> None:
        update_space(actor=actor(world.ada), slug="facts", changes={"write_policy": "review"})
        answer = get_tool("memory.put").run(call(world), space="facts", key="city", text="Lisbon")
        assert answer == {"key": "city", "version": 1, "status": "quarantined"}
        assert found(world, "Lisbon") == []
        change_item.accept_item(actor=actor(world.ada), space="facts", key="city", if_version=1)
        assert found(world, "Lisbon") == ["city"]

    def test_where_agents_may_not_write_they_are_told_who_may(self, world: World) -> None:
        update_space(actor=actor(world.ada), slug="facts", changes={"write_policy": "closed"})
        with pytest.raises(ToolError, match="agents may not write to the space 'facts'"):
            get_tool("memory.put").run(call(world), space="facts", key="city", text="Lisbon")

    def test_an_agent_that_forgets_leaves_the_history(self, world: World) -> None:
        put(world, "city", "Lisbon")
        get_tool("memory.forget").run(call(world), space="facts", key="city", reason="moved")
        assert found(world, "Lisbon") == []
        item = item_for(actor(world.ada), "facts", "city")
        assert (item.status, item.version) == (ItemStatus.FORGOTTEN, 2)


class TestUndo:
    def test_everything_a_run_wrote_is_as_before_but_what_others_changed_since(self, world: World) -> None:
        run_id = new_id()
        origin = Origin(author="run", run_id=run_id, seq=3)
        put(world, "old", "before")
        put(world, "old", "by the run", origin=origin)
        put(world, "new", "by the run", origin=origin)
        put(world, "shared", "by the run", origin=origin)
        put(world, "shared", "by a person, later")
        undone = undo_run(actor=actor(world.ada), run_id=run_id)
        assert sorted(item.key for item in undone.reverted) == ["new", "old"]
        assert [item.key for item in undone.kept] == ["shared"]
        assert item_for(actor(world.ada), "facts", "old").text == "before"
        assert item_for(actor(world.ada), "facts", "new").status == ItemStatus.FORGOTTEN
        assert undo_run(actor=actor(world.ada), run_id=run_id).reverted == []


@pytest.mark.parametrize(
    ("more", "pointer"),
    [
        ({"text": ""}, "/text"),
        ({"text": "x" * 100_001}, "/text"),
        ({"text": "a\0b"}, "/text"),
        ({"key": "a/b"}, "/key"),
        ({"key": ".."}, "/key"),
        ({"data": {"x": "y" * 300_000}}, "/data"),
        ({"importance": 2.0}, "/importance"),
        ({"ttl_seconds": -1}, "/ttl_seconds"),
        ({"tags": [""]}, "/tags/0"),
    ],
)
def test_what_does_not_fit_is_refused_with_its_place(
    world: World, more: dict[str, object], pointer: str
) -> None:
    with pytest.raises(InvalidInputError) as refused:
        put(world, **({"key": "k", "text": "t"} | more))  # type: ignore[arg-type]  # as given
    assert refused.value.data["errors"][0]["pointer"] == pointer
    assert not Item.objects.exists()


def test_who_may_only_read_writes_nothing(world: World) -> None:
    with pytest.raises(NotAllowedError):
        put_item(actor=actor(world.cyd), space="facts", key="k", text="t")
