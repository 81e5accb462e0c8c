import string
from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import BrinIndex, GinIndex
from django.contrib.postgres.search import SearchVectorField
from django.db import models
from django.db.models import F, Func, Q, Value
from django.db.models.functions import Now

from agentops.accounts.models import Team
from agentops.common.ids import new_id
from runs.engine.states import RunStatus
from runs.models.agent import Agent, AgentVersion

# Runs that have ended and whose end no callback tells of yet: what the sweep reads, in the index's own words.
UNTOLD_END = Q(callback_url__isnull=False, ended_at__isnull=False) & ~Q(callback_ended_at=F("ended_at"))


# The same expression as in runs/search/texts.py: every mark is a space, so that "docs.example.org" is three words.
def words_of(column: str) -> Func:
    spaced = Func(
        F(column), Value(string.punctuation), Value(" " * len(string.punctuation)), function="translate"
    )
    return Func(Value("simple"), spaced, function="to_tsvector", output_field=SearchVectorField())


WORDS_OF_TITLE = words_of("title")


class Run(models.Model):
    """One execution of an agent.

    The hot columns (head_*, node*, counters) are written by every commit and therefore carry no index, so that
    those updates stay heap-only. A change of status goes into every index that holds the row, so those that most rows
    have no value for are partial. `concurrency_key` is what only so many runs may be executed for at once (Limit); empty
    for none. `effect_mode` is how its branch treats what was done before
    (runs.engine.reuse.Mode), empty when nothing was. `child_n` is a child's place
    among those that one action started (Fanout), `is_in_line` that it stands there until its turn comes; `on_parent_end` what
    becomes of it when its parent ends (runs.engine.children.OnParentEnd). `is_parent`: it started children, and they were
    not yet told of its end. `is_told`: the parent took note of the end of this child. `lost_*` count the worker
    processes that died with the run at the node step
    `lost_seq`: with other runs beside it, or alone (PROTOCOL 21). Foreign keys of the hot path are without database constraints: each would cost
    a key-share lock a row. `callback_ended_at` is the `ended_at` that a callback exists for: a run that ends again after a
    retry is told of again. `archived_at`: its other rows are not here any more, but in a file (Archive).
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="+", db_index=False)
    agent = models.ForeignKey(Agent, on_delete=models.PROTECT, related_name="runs", db_index=False)
    agent_version = models.ForeignKey(
        AgentVersion, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    title = models.CharField(max_length=300)
    tags = ArrayField(models.CharField(max_length=100), default=list)
    batch_id = models.CharField(max_length=100, blank=True)
    queue = models.CharField(max_length=100, default="default")
    priority = models.SmallIntegerField(default=0)
    concurrency_key = models.CharField(max_length=100, blank=True, db_default="", db_collation="C")

    status = models.CharField(max_length=20, default=RunStatus.QUEUED.value)
    health = ArrayField(models.CharField(max_length=20), default=list)
    control = models.CharField(max_length=10, blank=True)
    paused_from = models.CharField(max_length=20, blank=True)
    queued_at = models.DateTimeField(db_default=Now())
    wake_at = models.DateTimeField(null=True)
    waiting_on = models.JSONField(null=True)
    deadline_at = models.DateTimeField(null=True)

    epoch = models.BigIntegerField(default=0)
    worker_id = models.UUIDField(null=True)
    claims = models.IntegerField(default=0)

    lost_seq = models.BigIntegerField(null=True)
    lost_together = models.SmallIntegerField(default=0)
    lost_alone = models.SmallIntegerField(default=0)
    is_isolated = models.BooleanField(default=False)

    branch = models.IntegerField(default=1)
    effect_mode = models.CharField(max_length=10, blank=True, db_default="")
    head_seq = models.BigIntegerField(default=0)
    head_hash = models.BinaryField(max_length=32)
    node = models.CharField(max_length=100)
    node_seq = models.BigIntegerField(default=1)
    node_attempt = models.IntegerField(default=1)
    attempts_before = models.IntegerField(default=0)
    node_at = models.DateTimeField(null=True)

    progress_done = models.BigIntegerField(null=True)
    progress_total = models.BigIntegerField(null=True)
    progress_note = models.CharField(max_length=300, blank=True)
    n_steps = models.BigIntegerField(default=0)
    n_retries = models.IntegerField(default=0)
    n_failed_steps = models.IntegerField(default=0)
    cost_microusd = models.BigIntegerField(default=0)
    tokens_in = models.BigIntegerField(default=0)
    tokens_out = models.BigIntegerField(default=0)

    input = models.BinaryField()
    input_codec = models.SmallIntegerField(default=0)
    output = models.BinaryField(null=True)
    output_codec = models.SmallIntegerField(default=0)
    error = models.JSONField(null=True)
    end_mac = models.BinaryField(max_length=32, null=True)
    ended_by = models.CharField(max_length=200, blank=True)
    end_reason = models.TextField(blank=True)

    parent = models.ForeignKey(
        "self", on_delete=models.SET_NULL, null=True, related_name="children", db_index=False
    )
    parent_seq = models.BigIntegerField(null=True)
    child_n = models.IntegerField(null=True)
    depth = models.SmallIntegerField(db_default=0)
    on_parent_end = models.CharField(max_length=10, blank=True, db_default="")
    is_in_line = models.BooleanField(db_default=False)
    is_parent = models.BooleanField(db_default=False)
    is_told = models.BooleanField(db_default=False)
    root_id = models.UUIDField()
    forked_from = models.ForeignKey(
        "self", on_delete=models.SET_NULL, null=True, related_name="forks", db_index=False
    )
    forked_from_seq = models.BigIntegerField(null=True)

    idempotency_key = models.CharField(max_length=200, null=True)  # noqa: DJ001 -- NULL is no key, '' would be one
    request_hash = models.BinaryField(max_length=32)
    callback_url = models.CharField(max_length=2000, null=True)  # noqa: DJ001 -- most runs have none, and NULL costs a bit
    callback_ended_at = models.DateTimeField(null=True)
    created_by = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    started_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    archived_at = models.DateTimeField(null=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["team", "idempotency_key"],
                name="run_idempotency_key_once",
                condition=Q(idempotency_key__isnull=False),
            ),
            models.CheckConstraint(
                condition=Q(status__in=[status.value for status in RunStatus]), name="run_status_known"
            ),
            models.CheckConstraint(
                condition=~Q(status="running") | Q(worker_id__isnull=False), name="run_running_has_worker"
            ),
        ]
        indexes: ClassVar = [
            # A lane is what has the same team, agent and key: the claim hops from one to the next (runs/claims.py).
            models.Index(
                fields=["queue", "is_isolated", "-priority", "team", "agent", "concurrency_key", "queued_at"],
                name="run_lane",
                condition=Q(status="queued"),
            ),
            models.Index(fields=["wake_at"], name="run_due", condition=Q(wake_at__isnull=False)),
            models.Index(fields=["status", "queue"], name="run_open", condition=Q(ended_at__isnull=True)),
            models.Index(
                fields=["deadline_at"],
                name="run_deadline",
                condition=Q(ended_at__isnull=True, deadline_at__isnull=False),
            ),
            # Not "status is running": a fence says that too, and the planner would read this index for its one row.
            models.Index(fields=["worker_id"], name="run_leased", condition=Q(worker_id__isnull=False)),
            models.Index(fields=["parent", "id"], name="run_parent", condition=Q(parent__isnull=False)),
            models.Index(
                fields=["parent", "parent_seq", "child_n"], name="run_in_line", condition=Q(is_in_line=True)
            ),
            models.Index(
                fields=["ended_at"],
                name="run_left_children",
                condition=Q(is_parent=True, ended_at__isnull=False),
            ),
            models.Index(fields=["team", "batch_id", "id"], name="run_batch", condition=~Q(batch_id="")),
            models.Index(
                fields=["parent"],
                name="run_untold",
                condition=Q(parent__isnull=False, ended_at__isnull=False, is_told=False),
            ),
            models.Index(
                fields=["forked_from"], name="run_forked_from", condition=Q(forked_from__isnull=False)
            ),
            models.Index(fields=["team", "-created_at", "-id"], name="run_list"),
            models.Index(fields=["team", "status", "-created_at", "-id"], name="run_list_status"),
            models.Index(fields=["team", "agent", "-created_at", "-id"], name="run_list_agent"),
            models.Index(fields=["ended_at"], name="run_untold_end", condition=UNTOLD_END),
            # For sources that tell of ends: coarse, and next to nothing to keep up when a run ends.
            BrinIndex(fields=["ended_at"], name="run_ends", pages_per_range=32, autosummarize=True),
            models.Index(fields=["output"], name="run_output_blob", condition=Q(output_codec=2)),
            GinIndex(fields=["health"], name="run_health", condition=~Q(health=[])),
            GinIndex(fields=["tags"], name="run_tags", condition=~Q(tags=[])),
            GinIndex(WORDS_OF_TITLE, name="run_words"),
        ]

    def __str__(self) -> str:
        return f"{self.title} ({self.id})"
