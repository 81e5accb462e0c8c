"""Where websockets are mounted."""

from django.urls import path

from runs.consumers import HintConsumer

websocket_urlpatterns = [path("ws/hints", HintConsumer.as_asgi())]
