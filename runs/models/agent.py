from typing import ClassVar

from django.db import models
from django.db.models.functions import Now

from agentops.accounts.models import Team
from agentops.common.ids import new_id


class Agent(models.Model):
    """A definition that runs are started from. While it is paused, none of them is claimed.

    `watch` says when its runs count as stuck and what is done then (runs.engine.watch_rules), `{}` for the defaults.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="agents")
    slug = models.SlugField(max_length=100)
    title = models.CharField(max_length=200)
    description = models.TextField(blank=True)
    queue = models.CharField(max_length=100, default="default")
    is_paused = models.BooleanField(db_default=False)
    paused_by = models.CharField(max_length=200, blank=True, db_default="")
    pause_reason = models.CharField(max_length=1000, blank=True, db_default="")
    paused_at = models.DateTimeField(null=True)
    watch = models.JSONField(default=dict, db_default={})
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["team", "slug"], name="agent_slug_once")]
        indexes: ClassVar = [
            models.Index(fields=["id"], name="agent_paused", condition=models.Q(is_paused=True))
        ]

    def __str__(self) -> str:
        return self.slug


class AgentVersion(models.Model):
    """An immutable version of an agent; a run pins one.

    `program` and `program_version` identify the code (PROTOCOL 26); `source_hash` is information. `recovery` is the recovery
    policy (runs.engine.recovery_form), `{}` for none. `definition` is the whole of an agent that was made without code
    (runs.engine.agent_definition); null for one of code. Runs start from the newest version that has a `published_at`;
    `withdrawn_at` says when it was rolled back from.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="+")
    agent = models.ForeignKey(Agent, on_delete=models.CASCADE, related_name="versions")
    number = models.PositiveIntegerField()
    program = models.CharField(max_length=200)
    program_version = models.CharField(max_length=50)
    source_hash = models.CharField(max_length=64)
    input_schema = models.JSONField(default=dict)
    recovery = models.JSONField(default=dict, db_default={})
    definition = models.JSONField(null=True)
    note = models.CharField(max_length=1000, blank=True, db_default="")
    created_by = models.CharField(max_length=200, blank=True, db_default="")
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    published_at = models.DateTimeField(null=True)
    withdrawn_at = models.DateTimeField(null=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["agent", "number"], name="agent_version_number_once"),
        ]

    def __str__(self) -> str:
        return f"{self.agent} v{self.number}"

    @property
    def is_code(self) -> bool:
        """Whether it is made of code, not of a definition."""
        return self.definition is None
