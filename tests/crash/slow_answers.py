"""Settings of a web process that takes its time between what it did and saying so, to be killed meanwhile."""

import time
from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from tests.crash.settings import *  # noqa: F403 -- the same settings, with one more middleware
from tests.crash.settings import MIDDLEWARE as ALL

MIDDLEWARE = ["tests.crash.slow_answers.slowly", *ALL]


def slowly(answer: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    def wait(request: HttpRequest) -> HttpResponse:
        response = answer(request)
        if request.method == "POST":
            time.sleep(0.3)
        return response

    return wait
