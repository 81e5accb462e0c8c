from typing import ClassVar

from django.contrib.postgres.indexes import GinIndex, GistIndex
from django.db import models
from django.db.models import F, Func, Q
from django.db.models.functions import Now

from agentops.accounts.models import Team
from agentops.common.ids import new_id
from runs.models.agent import Agent
from runs.models.run import Run, words_of

# The same expressions as in runs/search/stuck.py.
DURING = Func(F("from_at"), F("to_at"), function="tstzrange")
WORDS_OF_EPISODE = words_of("text")


class StuckState(models.Model):
    """One episode of a run: why it was stuck (`reason`, a health flag), where, from when to when, and how that ended.

    One is open for a run and a reason at a time. `taken` lists the remedies in their order, `{do, at, note}`;
    `text` says what was seen, `error` the same without what differs from case to case (runs.engine.fingerprints).
    `from_seq` is the first step that counts; what stands up to `upto_seq` was judged, and counts no more once the episode
    is over. `resolution` is what ended it: `moved_on`, `resumed`, `rewound` or the status that the run ended with.
    `tell_at` is when people are to be told, `told_at` when they were.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="+", db_index=False)
    run = models.ForeignKey(
        Run, on_delete=models.CASCADE, db_constraint=False, db_index=False, related_name="stuck_states"
    )
    agent = models.ForeignKey(
        Agent, on_delete=models.CASCADE, db_constraint=False, db_index=False, related_name="+"
    )
    reason = models.CharField(max_length=20)
    node = models.CharField(max_length=200, blank=True)
    error = models.CharField(max_length=200, blank=True)
    text = models.CharField(max_length=500)
    fingerprint = models.CharField(max_length=40)
    from_at = models.DateTimeField()
    to_at = models.DateTimeField(null=True)
    opened_at = models.DateTimeField(db_default=Now())
    from_seq = models.BigIntegerField(default=0)
    upto_seq = models.BigIntegerField(default=0)
    branch = models.IntegerField(default=1)
    taken = models.JSONField(db_default=[])
    resolution = models.CharField(max_length=20, blank=True, db_default="")
    resolved_by = models.CharField(max_length=200, blank=True, db_default="")
    tell_at = models.DateTimeField(null=True)
    told_at = models.DateTimeField(null=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["run", "reason"], name="stuck_once_a_reason", condition=Q(to_at__isnull=True)
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["id"], name="stuck_open", condition=Q(to_at__isnull=True)),
            models.Index(
                fields=["team", "fingerprint"], name="stuck_open_of_kind", condition=Q(to_at__isnull=True)
            ),
            models.Index(fields=["team", "fingerprint", "-from_at", "-id"], name="stuck_of_kind"),
            models.Index(fields=["team", "node", "-from_at"], name="stuck_at_node"),
            models.Index(fields=["run", "-from_at"], name="stuck_of_run"),
            models.Index(
                fields=["tell_at"], name="stuck_to_tell", condition=Q(tell_at__isnull=False, told_at__isnull=True)
            ),
            GistIndex(DURING, name="stuck_during"),
            GinIndex(WORDS_OF_EPISODE, name="stuck_words"),
        ]  # fmt: skip

    def __str__(self) -> str:
        return f"{self.reason} at {self.node}"


class StuckKind(models.Model):
    """What the episodes with one fingerprint have in common, and what people decided about them.

    `state` is `open`; `resolved` until another episode comes; or `ignored`: episodes are recorded, but nobody is told
    and nothing is done. `note` is what helps, in the words of whoever found out.
    """

    pk = models.CompositePrimaryKey("team_id", "fingerprint")
    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="+", db_index=False)
    fingerprint = models.CharField(max_length=40)
    reason = models.CharField(max_length=20)
    node = models.CharField(max_length=200, blank=True)
    error = models.CharField(max_length=200, blank=True)
    n_episodes = models.IntegerField(db_default=0)
    first_at = models.DateTimeField()
    last_at = models.DateTimeField()
    state = models.CharField(max_length=10, db_default="open")
    state_by = models.CharField(max_length=200, blank=True, db_default="")
    state_at = models.DateTimeField(null=True)
    note = models.CharField(max_length=2000, blank=True, db_default="")

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(state__in=["open", "resolved", "ignored"]), name="stuck_kind_state_known"
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["team", "state", "-last_at", "-fingerprint"], name="stuck_kind_list")
        ]

    def __str__(self) -> str:
        return f"{self.reason} at {self.node}"


class RunLook(models.Model):
    """When somebody last looked at a run that is open, or said that it is still wanted."""

    run = models.OneToOneField(
        Run, on_delete=models.CASCADE, primary_key=True, db_constraint=False, related_name="+"
    )
    team_id = models.UUIDField()
    looked_at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return f"{self.run_id} at {self.looked_at}"


class Nudge(models.Model):
    """What a run is told at its next turn: a note with evidence (`nudge`), or to begin a fresh session (`hand_off`)."""

    pk = models.CompositePrimaryKey("run_id", "n")
    run = models.ForeignKey(
        Run, on_delete=models.CASCADE, db_constraint=False, db_index=False, related_name="nudges"
    )
    n = models.IntegerField()
    team_id = models.UUIDField()
    do = models.CharField(max_length=10)
    text = models.CharField(max_length=2000)
    sent_by = models.CharField(max_length=200)
    sent_at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return f"{self.do} {self.n} of {self.run_id}"
