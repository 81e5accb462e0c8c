from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now


class Worker(models.Model):
    """One worker process: a fresh id each boot. Its runs are leased to it while its beats are fresh.

    `host`, `boot_id` and `pid_ns` say where `pid` means something; `pid_start` tells the process from a later
    one with the same number. A worker that is stopping on purpose condemns no run by its end. Belongs to no team: it serves them all.
    """

    id = models.UUIDField(primary_key=True)
    host = models.CharField(max_length=200)
    boot_id = models.CharField(max_length=64)
    pid_ns = models.CharField(max_length=64)
    pid = models.IntegerField()
    pid_start = models.BigIntegerField()
    queues = models.JSONField(default=list)
    slots = models.IntegerField(default=1)
    started_at = models.DateTimeField(db_default=Now())
    beat_at = models.DateTimeField(db_default=Now())
    is_stopping = models.BooleanField(db_default=False)
    dead_at = models.DateTimeField(null=True)
    dead_reason = models.CharField(max_length=200, blank=True)

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["beat_at"], name="worker_alive", condition=Q(dead_at__isnull=True))
        ]

    def __str__(self) -> str:
        return f"{self.host}:{self.pid}"


class ClockBeat(models.Model):
    """One row per clock process: when it last went round, how long that took, and what it found wrong.

    `problems` has the error of each agent file that could not be loaded, `failing` that of each job that failed at its
    last turn.
    """

    id = models.UUIDField(primary_key=True)
    host = models.CharField(max_length=200)
    pid = models.IntegerField()
    started_at = models.DateTimeField(db_default=Now())
    beat_at = models.DateTimeField(db_default=Now())
    tick_seconds = models.FloatField(default=0.0)
    problems = models.JSONField(default=dict)
    failing = models.JSONField(default=dict, db_default={})

    def __str__(self) -> str:
        return f"clock on {self.host}:{self.pid}"
