from django.apps import AppConfig


class ApprovalsConfig(AppConfig):
    name = "approvals"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from approvals.services.plug import ApprovalDesk
        from approvals.services.reconcile import reconcile
        from runs.chores import add_chore
        from runs.desk import plug_in

        plug_in(ApprovalDesk())
        add_chore("approvals: reconcile", reconcile, every_ticks=8)
