from django.db import migrations, models

BATCH = 500


def seal(apps, schema_editor):
    """Put the ends of runs that were over before under their codes."""
    from runs.checkpoints.chain import end_mac

    runs = apps.get_model("runs", "Run")
    ended = runs.objects.filter(status__in=["succeeded", "failed"], end_mac=None).exclude(error__code="poison")
    columns = ("id", "team_id", "head_seq", "head_hash", "output", "output_codec", "error")
    while found := list(ended.only(*columns)[:BATCH]):
        for run in found:
            head = (run.head_seq, bytes(run.head_hash))
            run.end_mac = end_mac(
                run.team_id, run.id, head, codec=run.output_codec, output=bytes(run.output or b""), error=run.error
            )
        runs.objects.bulk_update(found, ["end_mac"])


class Migration(migrations.Migration):
    dependencies = [("runs", "0009_sources")]

    operations = [
        migrations.AddField(
            model_name="run", name="end_mac", field=models.BinaryField(max_length=32, null=True)
        ),
        migrations.RunPython(seal, migrations.RunPython.noop, elidable=True),
    ]
