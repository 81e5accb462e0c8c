from django.db import models
from django.db.models.functions import Now

from runs.models.run import Run


class CachedRead(models.Model):
    """Where the newest answer to a read is kept that a recovery policy may fall back on: an outcome of a run.

    The value itself, with its signature, is the row of Outcome.
    """

    pk = models.CompositePrimaryKey("team_id", "request_hash")
    team_id = models.UUIDField()
    request_hash = models.BinaryField(max_length=32)
    run = models.ForeignKey(Run, on_delete=models.CASCADE, db_constraint=False, related_name="+")
    seq = models.BigIntegerField()
    at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return f"the answer of {self.run_id} step {self.seq}"
