"""`step(…)`: runs with one step of which everything inside holds."""

from django.utils.translation import gettext_lazy as _

from agentops.common.query import Filter
from runs.search import kinds
from runs.search.registry import Asker, Build, Key, ScopeKind, register_scope
from runs.search.sql import Condition

STATUSES = ("running", "succeeded", "failed", "sleeping", "waiting", "unknown")
KINDS = ("node", "tool", "llm", "wait", "approval", "child_run", "memory", "handoff")
EFFECTS = ("read", "compute", "write", "destructive")


def _is_one_of(column: str, choices: tuple[str, ...]) -> Build:
    return kinds.choice(choices, lambda names: Condition(f"{column} = ANY(%s)", (names,)))


def _of_kind(kind: str) -> Build:
    named = kinds.texts("s.name")

    def condition(asked: Filter, asker: Asker) -> Condition:
        found = named(asked, asker)
        return Condition(f"s.kind = '{kind}' AND ({found.text})", found.params)

    return condition


_DURATION = "extract(epoch FROM (coalesce(s.ended_at, clock_timestamp()) - s.started_at))"
_KEYS = (
    Key("kind", _("What the step is"), "kind:tool", _is_one_of("s.kind", KINDS), KINDS),
    Key("name", _("Name of the node or action"), "name:http.get", kinds.texts("s.name")),
    Key("node", _("Name of a node"), "node:login", _of_kind("node")),
    Key("tool", _("Name of a tool"), "tool:http.*", _of_kind("tool")),
    Key("model", _("Name of a model"), "model:claude*", _of_kind("llm")),
    Key("status", _("Where the step stands"), "status:failed", _is_one_of("s.status", STATUSES), STATUSES),
    Key("effect", _("What it does to the world"), "effect:write", _is_one_of("s.effect", EFFECTS), EFFECTS),
    Key("attempts", _("How often it was tried"), "attempts:>=3", kinds.numbers("s.attempts")),
    Key("error", _("Code of its error"), "error:timeout*", kinds.texts("s.error_code")),
    Key("duration", _("How long it took"), "duration:>5m", kinds.numbers(_DURATION, kinds.lengths)),
    Key("cost", _("What it has cost, in dollars"), "cost:>0.5", kinds.numbers("s.cost_microusd", kinds.money)),
)  # fmt: skip
STEP = register_scope(
    ScopeKind(
        "step", _("One and the same step of the run"), "step(tool:http.get attempts:>=3)",
        "EXISTS (SELECT 1 FROM runs_step s WHERE s.run_id = r.id AND NOT s.is_superseded AND ({}))",
        {key.name: key for key in _KEYS},
    )
)  # fmt: skip
