from typing import ClassVar

from django.contrib.postgres.indexes import BrinIndex
from django.db import migrations


class Migration(migrations.Migration):
    dependencies: ClassVar = [("runs", "0012_recovery")]

    operations: ClassVar = [
        migrations.AddIndex(
            model_name="run",
            index=BrinIndex(autosummarize=True, fields=["ended_at"], name="run_ends", pages_per_range=32),
        ),
    ]
