"""Makes the table of vectors anew, for those of 512 numbers; the clock fills it again."""

from typing import Any, ClassVar

from django.db import migrations

from memory.adapters.vectors import set_up


def forwards(apps: Any, schema_editor: Any) -> None:
    schema_editor.execute("DROP TABLE IF EXISTS memory_embedding")
    set_up()


class Migration(migrations.Migration):
    dependencies: ClassVar = [("memory", "0002_vectors")]

    operations: ClassVar = [
        migrations.RunPython(forwards, migrations.RunPython.noop),
    ]
