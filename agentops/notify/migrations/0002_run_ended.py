"""An index over ends of runs that no other run started: who wants to be told of them is told by looking."""

from django.db import migrations

_CREATE = """
CREATE INDEX run_ended_alone ON runs_run (ended_at) WHERE ended_at IS NOT NULL AND parent_id IS NULL
"""


class Migration(migrations.Migration):
    dependencies = [("notify", "0001_initial"), ("runs", "0011_limits")]

    operations = [migrations.RunSQL(_CREATE, "DROP INDEX run_ended_alone")]
