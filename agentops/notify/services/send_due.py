"""The clock's job: begin the deliveries that are due, and note what came back."""

from functools import cache

from agentops.notify.services.send_delivery import Outgoing, note_delivery, send_delivery, take_delivery
from runs.services.request_pool import RequestPool


@cache
def pool() -> RequestPool[Outgoing]:
    """Return what this process has under way."""
    return RequestPool("delivery", take=take_delivery, send=send_delivery, note=note_delivery)


def send_due() -> int:
    """Begin what is due and note the answers that have come; waits for nobody. Returns how many are under way."""
    pool().note_answers()
    pool().begin_due()
    return pool().n_under_way
