from django.apps import AppConfig


class NotifyConfig(AppConfig):
    name = "agentops.notify"
    label = "notify"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from agentops.notify.services.find_causes import find_causes
        from agentops.notify.services.send_due import send_due
        from runs.chores import add_chore

        add_chore("notify: causes", find_causes, every_ticks=4)
        add_chore("notify: send", send_due)
