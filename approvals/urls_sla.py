"""The pages of time on the desk."""

from django.urls import path

from approvals.views import sla

app_name = "sla"
urlpatterns = [
    path("approvals/sla", sla.report, name="report"),
    path("approvals/<uuid:request_id>/clock", sla.clock, name="clock"),
    path("policies/escalations", sla.escalations, name="escalations"),
    path("policies/escalations/new", sla.escalation, name="new-escalation"),
    path("policies/escalations/<uuid:policy_id>", sla.escalation, name="escalation"),
    path("policies/escalations/<uuid:policy_id>/remove", sla.remove_escalation, name="remove-escalation"),
    path("policies/calendars/new", sla.calendar, name="new-calendar"),
    path("policies/calendars/<uuid:calendar_id>", sla.calendar, name="calendar"),
    path("policies/calendars/<uuid:calendar_id>/remove", sla.remove_calendar, name="remove-calendar"),
]
