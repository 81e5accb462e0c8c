from typing import ClassVar

from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.search import SearchVectorField
from django.db import models
from django.db.models.functions import Now

from runs.models.run import Run


class RunText(models.Model):
    """The words in the last state and in the errors of a run that has ended, by which it is found."""

    run = models.OneToOneField(
        Run, on_delete=models.CASCADE, primary_key=True, db_constraint=False, related_name="+"
    )
    team_id = models.UUIDField()
    words = SearchVectorField()
    read_at = models.DateTimeField(db_default=Now())

    class Meta:
        indexes: ClassVar = [GinIndex(fields=["words"], name="run_text_words")]

    def __str__(self) -> str:
        return f"words of {self.run_id}"


class RunValue(models.Model):
    """What stands at a path of a run's last state that its agent declares as searchable; `path` is dotted."""

    pk = models.CompositePrimaryKey("run_id", "path")
    run = models.ForeignKey(
        Run, on_delete=models.CASCADE, db_constraint=False, db_index=False, related_name="+"
    )
    path = models.CharField(max_length=200, db_collation="C")
    team_id = models.UUIDField()
    value = models.CharField(max_length=200, db_collation="C")

    class Meta:
        indexes: ClassVar = [models.Index(fields=["team_id", "path", "value"], name="run_value")]

    def __str__(self) -> str:
        return f"{self.path} of {self.run_id}"


class ReadMark(models.Model):
    """Up to which end of a run a reader in the background has come."""

    name = models.CharField(max_length=20, primary_key=True)
    ended_at = models.DateTimeField()
    read_at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return f"{self.name} up to {self.ended_at}"
