"""Entries of the audit, and the heads of the chains that they stand in."""

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from agentops.common.ids import new_id


class Entry(models.Model):
    """One thing that somebody did: who, what, to what, and with which particulars.

    `chain_id` is the team's id, or NO_TEAM for what belongs to none; no foreign key, so that the audit outlives the
    team. `seq` and `seal` are null for the moment between the commit of what was done and the next round of the
    clock, which seals the entry onto its chain; a trigger lets them be set once, and refuses every other change.
    Source: ADR 0016.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    chain_id = models.UUIDField()
    at = models.DateTimeField(db_default=Now())
    actor = models.CharField(max_length=200)
    user_id = models.BigIntegerField(null=True)
    token_id = models.UUIDField(null=True)
    action = models.CharField(max_length=60)
    subject_kind = models.CharField(max_length=40)
    subject_id = models.CharField(max_length=200)
    detail = models.JSONField(default=dict)
    seq = models.BigIntegerField(null=True)
    seal = models.BinaryField(max_length=32, null=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["chain_id", "seq"], name="audit_seq_once"),
            models.CheckConstraint(
                condition=Q(seq__isnull=True, seal__isnull=True) | Q(seq__isnull=False, seal__isnull=False),
                name="audit_sealed_whole",
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["chain_id", "-id"], name="audit_list"),
            models.Index(fields=["chain_id", "actor", "-id"], name="audit_of_actor"),
            models.Index(fields=["chain_id", "subject_id", "-id"], name="audit_of_subject"),
            models.Index(fields=["chain_id", "action", "-id"], name="audit_of_action"),
            models.Index(fields=["chain_id", "id"], name="audit_unsealed", condition=Q(seq__isnull=True)),
        ]

    def __str__(self) -> str:
        return f"{self.actor}: {self.action} {self.subject_kind} {self.subject_id}"


class Head(models.Model):
    """The newest seal of a chain, under a code of its own: entries that are cut off at the end are missed by it."""

    chain_id = models.UUIDField(primary_key=True)
    seq = models.BigIntegerField(default=0)
    seal = models.BinaryField(max_length=32, default=b"")
    mac = models.BinaryField(max_length=32, default=b"")

    def __str__(self) -> str:
        return f"{self.chain_id} up to {self.seq}"
