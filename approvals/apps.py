from django.apps import AppConfig

OPEN_REQUEST = "EXISTS (SELECT 1 FROM approvals_request q WHERE q.run_id = r.id AND q.status = 'pending')"


class ApprovalsConfig(AppConfig):
    name = "approvals"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        import approvals.search  # noqa: F401 -- it makes its scope known
        from approvals.services.fire_timers import fire_timers
        from approvals.services.plug import ApprovalDesk
        from approvals.services.put_rules import put_rules, rule_problems
        from approvals.services.reconcile import reconcile
        from approvals.services.sweep_sla import alarm_when_late, settle_slas
        from runs.archives.needs import add_need
        from runs.chores import add_chore
        from runs.definition_checks import add_definition_check, add_member
        from runs.desk import plug_in

        plug_in(ApprovalDesk())
        add_need("an open approval", OPEN_REQUEST)
        add_definition_check("approvals: rules", rule_problems)
        add_member("approval_rules", put_rules)
        add_chore("approvals: reconcile", reconcile, every_ticks=8)
        add_chore("approvals: lateness", alarm_when_late, every_ticks=240)
        add_chore("approvals: timers", fire_timers, every_ticks=4)
        add_chore("approvals: settle clocks", settle_slas, every_ticks=8)
