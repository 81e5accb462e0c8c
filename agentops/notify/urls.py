"""The pages of notices."""

from django.urls import path

from agentops.notify.views import bell, outgoing, wishes

app_name = "notify"
urlpatterns = [
    path("notifications", bell.bell, name="bell"),
    path("notifications/read", bell.read, name="read"),
    path("notifications/settings", wishes.wishes, name="wishes"),
    path("notifications/endpoints", outgoing.new_endpoint, name="new-endpoint"),
    path("notifications/endpoints/<uuid:endpoint_id>/switch", outgoing.switch, name="switch-endpoint"),
    path("notifications/endpoints/<uuid:endpoint_id>/delete", outgoing.delete, name="delete-endpoint"),
    path("notifications/deliveries", outgoing.deliveries, name="deliveries"),
    path("notifications/deliveries/<uuid:delivery_id>", outgoing.delivery, name="delivery"),
    path("notifications/deliveries/<uuid:delivery_id>/send", outgoing.send, name="send-delivery"),
]
