"""The ASGI application: HTTP by Django, streams behind it, websockets by Channels."""

import gc
import os
import warnings

from channels.auth import AuthMiddlewareStack
from channels.routing import ProtocolTypeRouter, URLRouter
from channels.security.websocket import AllowedHostsOriginValidator
from django.conf import settings
from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "agentops.settings")
if not settings.configured:  # a test that imports this has a connection already, and children of its own
    os.environ.setdefault("DATABASE_POOL", "1")
http = get_asgi_application()

from runs.routing import websocket_urlpatterns  # noqa: E402 -- the apps must be ready before
from runs.streams import Streams  # noqa: E402 -- the same

# WhiteNoise hands out static files by a synchronous iterator, of which Django warns once per process; they are small.
warnings.filterwarnings("ignore", message="StreamingHttpResponse must consume synchronous iterators")
application = ProtocolTypeRouter(
    {
        "http": Streams(http),
        "websocket": AllowedHostsOriginValidator(AuthMiddlewareStack(URLRouter(websocket_urlpatterns))),
    }
)
gc.freeze()  # looking through all that the imports left took 60 ms of some request, again and again
