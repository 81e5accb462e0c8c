"""Makes the table of vectors, where PostgreSQL has the extension `vector`."""

from typing import Any, ClassVar

from django.db import migrations

from memory.adapters.vectors import set_up


def forwards(apps: Any, schema_editor: Any) -> None:
    set_up()


class Migration(migrations.Migration):
    dependencies: ClassVar = [("memory", "0001_initial")]

    operations: ClassVar = [
        migrations.RunPython(forwards, migrations.RunPython.noop),
    ]
