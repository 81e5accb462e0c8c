"""The door for webhooks: `/hooks/<source>`, opened by a signature alone, without a session or a token."""

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt

from agentops import problems
from agentops.problems import MethodNotAllowedError
from runs.services.receive_hook import receive_hook


@csrf_exempt
def hook(request: HttpRequest, slug: str) -> HttpResponse:
    """Take in a delivery: 202 with how many waits it ended, 200 when it was delivered before, else a problem."""
    if request.method != "POST":
        return problems.problem_response(MethodNotAllowedError("webhooks are delivered by POST"))
    try:
        headers = {name.lower(): value for name, value in request.headers.items()}
        event, matched, is_new = receive_hook(slug=slug, headers=headers, body=request.body)
    except Exception as error:  # noqa: BLE001 -- the boundary: every error is a problem document
        return problems.handle(request, error)
    return JsonResponse({"id": str(event.pk), "matched": matched}, status=202 if is_new else 200)
