from django.apps import AppConfig


class RunsConfig(AppConfig):
    name = "runs"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from runs.chores import add_chore
        from runs.services import read_texts, watch_runs

        add_chore("runs: watch", watch_runs.watch_runs, every_ticks=watch_runs.EVERY_TICKS)
        add_chore("runs: texts", read_texts.read_texts, every_ticks=read_texts.EVERY_TICKS)
