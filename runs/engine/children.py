"""Child runs: what an agent asks for, when enough is known of how they ended, and what it gets back.

Pure: the shell inserts the runs, counts how they end, and asks `decision` whether the parent goes on.
"""

from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from typing import Any, Literal, TypeAlias

from runs.engine.commands import check_wait
from runs.engine.errors import ActionFailedError, CommandError, WaitTimeoutError
from runs.engine.waits import run_id_of

PAGE = 10_000
CONCURRENCY = 10
CHILD_SECONDS = 30 * 86_400.0
MAX_OUTPUTS = 1000

OnFailure: TypeAlias = Literal["raise", "collect"] | int


class OnParentEnd(StrEnum):
    """What becomes of an open child when its parent ends: cancelled; nothing; it gets the signal `parent_ended`."""

    CASCADE = "cascade"
    ABANDON = "abandon"
    REQUEST = "request"


class Decision(StrEnum):
    """How a fan-out ended for its parent: all children have, or too many have failed."""

    DONE = "done"
    FAILED = "failed"


def decision(*, total: int, min_successes: int, n_succeeded: int, n_failed: int) -> Decision | None:
    """Return how the fan-out ended, or None while it goes on."""
    if n_failed > total - min_successes:
        return Decision.FAILED
    return Decision.DONE if n_succeeded + n_failed >= total else None


class ChildRuns:
    """The part of the context that starts other runs."""

    _act: Callable[[str, str, dict[str, Any]], Any]
    _guarded: Callable[[Callable[[], Any]], Any]

    def start_child(
        self,
        agent: str,
        input: Any,  # noqa: A002 -- the word of the contract
        *,
        title: str | None = None,
        tags: Sequence[str] = (),
        priority: int | None = None,
        version: int | None = None,
        on_parent_end: str = OnParentEnd.CASCADE,
    ) -> Any:
        """Start a run of another agent of the team and go on; return `{"run_id", "agent"}`.

        `ctx.wait_for(child(started))` waits for its end. It is started once, however often the node runs; a later attempt of
        the node starts another only when that one did not succeed. `priority` is the parent's by default;
        `on_parent_end` says what becomes of it when this run ends first (OnParentEnd).

        Raises: ActionFailedError for an agent that is not there, an input that does not fit, a tree too deep; CommandError.
        """
        args = _told(title=title, tags=tags, priority=priority, version=version, on_parent_end=on_parent_end)
        return self._started(agent, {"input": input, **args})

    def run_child(
        self,
        agent: str,
        input: Any,  # noqa: A002 -- the word of the contract
        *,
        title: str | None = None,
        tags: Sequence[str] = (),
        priority: int | None = None,
        version: int | None = None,
        timeout_seconds: float = CHILD_SECONDS,
        on_parent_end: str = OnParentEnd.CASCADE,
    ) -> Any:
        """Start a run of another agent, wait for its end, and return its output; meanwhile this run is a row.

        Raises: ActionFailedError, with the code `child_failed` when it did not succeed; WaitTimeoutError, and the child goes
            on; CommandError. See start_child.
        """
        args = _told(title=title, tags=tags, priority=priority, version=version, on_parent_end=on_parent_end)
        waited = {"concurrency": 1, "min_successes": 1, "timeout_seconds": timeout_seconds}
        return self._ended(agent, {"input": input, **args, **waited})[0]["output"]

    def map_children(  # noqa: PLR0913 -- everything about the children, keyword-only
        self,
        agent: str,
        inputs: Sequence[Any],
        *,
        concurrency: int = CONCURRENCY,
        on_failure: OnFailure = "raise",
        batch_id: str | None = None,
        title: str | None = None,
        tags: Sequence[str] = (),
        priority: int | None = None,
        version: int | None = None,
        timeout_seconds: float = CHILD_SECONDS,
        on_parent_end: str = OnParentEnd.CASCADE,
    ) -> list[Any]:
        """Run an agent on each of the inputs, at most `concurrency` at a time, and return how they ended, in order.

        Each entry is `{"index", "run_id", "status", "output", "error"}`; where the outputs together grow too large, later
        ones are left out (`"is_left_out": True`) and read by ctx.child_outputs. Of more than PAGE inputs, one page after the
        other is run.

        Args:
            agent: whose runs.
            inputs: one a child.
            concurrency: how many may be under way at once; the others wait for their turn.
            on_failure: `raise` at the first that does not succeed; `collect` them all; or a number: raise as soon as
                fewer than so many can succeed. What is still open then ends as at the end of the parent, and what waits
                for its turn never begins.
            batch_id: what the children belong to, with others perhaps.
            title: what people call them, with their number; by default the agent's program says.
            tags: words to find them by.
            priority: of the children; the parent's by default.
            version: of the agent; the newest published one by default.
            timeout_seconds: how long to wait for all of a page.
            on_parent_end: what becomes of open children when this run ends (OnParentEnd).

        Raises: ActionFailedError, with the code `child_failed` by the rule `on_failure`; WaitTimeoutError, and the children
            go on; CommandError. See start_child.
        """
        args = _told(title=title, tags=tags, priority=priority, version=version, on_parent_end=on_parent_end)
        args |= {"batch_id": batch_id} if batch_id else {}
        least = self._guarded(lambda: _least(inputs, concurrency, on_failure))
        found: list[Any] = []
        for start in range(0, len(inputs), PAGE):
            page = list(inputs[start : start + PAGE])
            spare = len(inputs) - least - sum(entry["status"] != "succeeded" for entry in found)
            waited = {
                "concurrency": concurrency, "min_successes": max(len(page) - spare, 0), "timeout_seconds": timeout_seconds,
            }  # fmt: skip
            found += self._ended(agent, {"inputs": page, **args, **waited})
        return (
            [{**entry, "index": index} for index, entry in enumerate(found)] if len(inputs) > PAGE else found
        )

    def child_outputs(self, *started: Any) -> list[Any]:
        """Return the outputs of child runs of this run, named by their ids or by what start_child and map_children return.

        None for one that has none. At most MAX_OUTPUTS at a time: what is too large for one value is read in pages.

        Raises: ActionFailedError when one is no child of this run; CommandError.
        """
        ids = self._guarded(lambda: _ids(started))
        outputs: list[Any] = self._act("child_run", "outputs", {"run_ids": ids})
        return outputs

    def _started(self, agent: str, args: dict[str, Any]) -> Any:
        self._guarded(lambda: _check(agent, args))
        return self._act("child_run", agent, args)

    def _ended(self, agent: str, args: dict[str, Any]) -> list[Any]:
        self._guarded(lambda: check_wait("timeout_seconds", args["timeout_seconds"]))
        try:
            return list(self._started(agent, args)["children"])
        except ActionFailedError as error:
            if error.error_code == WaitTimeoutError.code:
                raise WaitTimeoutError(agent, []) from None
            raise

    def _child_act(self, name: str, args: dict[str, Any]) -> Any:
        return self._act("child_run", name, args)


def inputs_of(args: Mapping[str, Any]) -> list[Any]:
    """Return the inputs of the children that a request of the kind `child_run` asks for."""
    return list(args["inputs"]) if "inputs" in args else [args["input"]]


def _told(**args: Any) -> dict[str, Any]:
    """Return the arguments that say something; tags as a list, so that they are JSON."""
    given = {key: value for key, value in args.items() if value is not None and value != ()}
    return given | ({"tags": list(given["tags"])} if "tags" in given else {})


def _check(agent: object, args: Mapping[str, Any]) -> None:
    if not isinstance(agent, str) or not agent:
        raise CommandError(f"a child run needs the name of an agent, not {agent!r}")
    modes = [mode.value for mode in OnParentEnd]
    if args["on_parent_end"] not in modes:
        raise CommandError(f"on_parent_end is one of {', '.join(modes)}, not {args['on_parent_end']!r}")


def _least(inputs: Sequence[Any], concurrency: object, on_failure: object) -> int:
    """Return how many children must succeed."""
    if isinstance(inputs, str | Mapping):
        raise CommandError("map_children needs a list of inputs, one a child")
    if not isinstance(concurrency, int) or not 1 <= concurrency <= PAGE:
        raise CommandError(f"concurrency must be a whole number from 1 to {PAGE:,}, not {concurrency!r}")
    if on_failure in ("raise", "collect"):
        return len(inputs) if on_failure == "raise" else 0
    is_number = isinstance(on_failure, int) and not isinstance(on_failure, bool)
    if not is_number or not 0 <= on_failure <= len(inputs):  # type: ignore[operator]  # a number by then
        told = f"'raise', 'collect', or how many of the {len(inputs):,} must succeed"
        raise CommandError(f"on_failure is {told}; not {on_failure!r}")
    return on_failure  # type: ignore[return-value]  # a number by then


def _ids(started: Sequence[Any]) -> list[str]:
    if not 1 <= len(started) <= MAX_OUTPUTS:
        raise CommandError(
            f"child_outputs reads 1 to {MAX_OUTPUTS:,} children at a time, not {len(started):,}"
        )
    return [run_id_of(found) for found in started]
