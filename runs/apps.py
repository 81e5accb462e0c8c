from django.apps import AppConfig


class RunsConfig(AppConfig):
    name = "runs"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from runs.chores import add_chore
        from runs.services.watch_runs import EVERY_TICKS, watch_runs

        add_chore("runs: watch", watch_runs, every_ticks=EVERY_TICKS)
