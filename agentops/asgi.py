"""The ASGI application: HTTP by Django, streams behind it, websockets by Channels."""

import gc
import os
import warnings

import django
from channels.auth import AuthMiddlewareStack
from channels.routing import ProtocolTypeRouter, URLRouter
from channels.security.websocket import AllowedHostsOriginValidator
from django.conf import settings

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "agentops.settings")
if not settings.configured:  # a test that imports this has a connection already, and children of its own
    os.environ.setdefault("DATABASE_POOL", "1")
django.setup(set_prefix=False)

from agentops.handler import OneThreadHandler  # noqa: E402 -- the apps must be ready before
from runs.routing import websocket_urlpatterns  # noqa: E402 -- the same
from runs.streams import Streams  # noqa: E402 -- the same

# WhiteNoise hands out static files by a synchronous iterator, of which Django warns once per process; they are small.
warnings.filterwarnings("ignore", message="StreamingHttpResponse must consume synchronous iterators")
application = ProtocolTypeRouter(
    {
        "http": Streams(OneThreadHandler()),
        "websocket": AllowedHostsOriginValidator(AuthMiddlewareStack(URLRouter(websocket_urlpatterns))),
    }
)
gc.freeze()  # looking through all that the imports left took 60 ms of some request, again and again
