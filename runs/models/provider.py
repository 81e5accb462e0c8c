from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from agentops.accounts.models import Team
from agentops.common.ids import new_id
from runs.engine.providers import ProviderKind


class Provider(models.Model):
    """Where a team's agents get answers of language models from.

    `secret` is the sealed key. `catalog` lists its models, the first being what it stands for: `name`, and where known
    `context_tokens`, `rpm`, `tpm`, and prices in microusd for a million tokens: `in_microusd_per_mtok`,
    `out_microusd_per_mtok`.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="+", db_index=False)
    slug = models.CharField(max_length=60)
    kind = models.CharField(max_length=12)
    base_url = models.CharField(max_length=500)
    secret = models.BinaryField(null=True)
    catalog = models.JSONField(default=list)
    timeout_seconds = models.FloatField(default=120.0)
    is_default = models.BooleanField(default=False)
    is_paused = models.BooleanField(default=False)
    version = models.IntegerField(default=1)
    created_by = models.CharField(max_length=200)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["team", "slug"], name="provider_slug_once"),
            models.UniqueConstraint(
                fields=["team"], name="provider_default_once", condition=Q(is_default=True)
            ),
            models.CheckConstraint(
                condition=Q(kind__in=[kind.value for kind in ProviderKind]), name="provider_kind_known"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.slug} ({self.kind})"


class ModelGate(models.Model):
    """How one model of a provider stands for everybody: rate limits and circuit breaker (runs.engine.gates).

    `state` is the gate as JSON, its times in seconds since 1970 by the database's clock. What requests are limited to is
    locked with the row.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    team_id = models.UUIDField()
    provider = models.ForeignKey(Provider, on_delete=models.CASCADE, related_name="gates", db_index=False)
    model = models.CharField(max_length=200)
    state = models.JSONField(default=dict)
    last_error = models.CharField(max_length=600, blank=True, db_default="")
    last_error_at = models.DateTimeField(null=True)
    last_answer_at = models.DateTimeField(null=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["provider", "model"], name="model_gate_once"),
        ]

    def __str__(self) -> str:
        return f"gate of {self.model}"
