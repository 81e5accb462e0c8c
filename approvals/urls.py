"""The desk's pages."""

from django.urls import path

from approvals.views import alike, inbox, policy

app_name = "approvals"
urlpatterns = [
    path("approvals", inbox.inbox, name="inbox"),
    path("approvals/suggest", inbox.suggest, name="suggest"),
    path("approvals/<uuid:request_id>", inbox.case, name="case"),
    path("approvals/<uuid:request_id>/alike", alike.alike, name="alike"),
    path("approvals/<uuid:request_id>/decide", inbox.decide_case, name="decide"),
    path("approvals/<uuid:request_id>/recall", inbox.recall, name="recall"),
    path("approvals/<uuid:request_id>/claim", inbox.claim, name="claim"),
    path("approvals/<uuid:request_id>/release", inbox.release, name="release"),
    path("approvals/<uuid:request_id>/delegate", inbox.delegate, name="delegate"),
    path("approvals/<uuid:request_id>/comment", inbox.comment, name="comment"),
    path("policies/approval-rules", policy.policy, name="policy"),
    path("policies/approval-rules/mode", policy.mode, name="mode"),
    path("policies/approval-rules/presets/<slug:slug>", policy.preset, name="preset"),
    path("policies/approval-rules/new", policy.rule, name="new-rule"),
    path("policies/approval-rules/<uuid:rule_id>", policy.rule, name="rule"),
    path("policies/approval-rules/<uuid:rule_id>/remove", policy.remove_rule, name="remove-rule"),
    path("policies/queues/new", policy.queue, name="new-queue"),
    path("policies/queues/<slug:slug>", policy.queue, name="queue"),
    path("policies/queues/<slug:slug>/remove", policy.remove_queue, name="remove-queue"),
    path("policies/away", policy.away, name="away"),
    path("policies/away/<uuid:absence_id>/end", policy.back, name="back"),
]
