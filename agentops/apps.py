from django.apps import AppConfig


class AgentOpsConfig(AppConfig):
    name = "agentops"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        import agentops.celery  # noqa: F401 -- makes ours the current Celery app in every process
