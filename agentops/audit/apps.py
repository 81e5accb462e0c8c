from django.apps import AppConfig


class AuditConfig(AppConfig):
    name = "agentops.audit"
    label = "audit"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        import agentops.audit.receivers  # noqa: F401 -- hears what the apps below say of sign-ins and tokens
