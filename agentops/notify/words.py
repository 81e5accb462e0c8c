"""What pages call topics, channels and states."""

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from agentops.notify.models import Delivery
from agentops.notify.topics import Topic
from runs.presenters.status import Chip

TOPICS: dict[Topic, tuple[str | Promise, str | Promise]] = {
    Topic.APPROVAL: (_("Approvals"), _("Something waits for your decision.")),
    Topic.SLA: (_("Reminders and escalation"), _("Time to decide runs out, or has.")),
    Topic.RUN_ENDED: (_("Ends of runs"), _("A run that was not started by another one has ended.")),
    Topic.STUCK: (_("Stuck runs"), _("A run repeats itself, stands still, or waits for what cannot come.")),
    Topic.BUDGET: (_("Budgets"), _("A run costs more than it may, or more than usual.")),
}
ICONS = {"approval": "approval", "sla": "wait", "run_ended": "runs", "stuck": "warning", "budget": "warning"}
_STATES = {
    "due": Chip(_("due"), "move", "wait"),
    "sending": Chip(_("on its way"), "move", "moving"),
    "delivered": Chip(_("delivered"), "good", "check"),
    "given_up": Chip(_("given up"), "bad", "cross"),
}


def state_chip(delivery: Delivery) -> Chip:
    """Return what the delivery has come to."""
    return _STATES[delivery.state]


def receiver_of(delivery: Delivery) -> str:
    """Return to whom or where it goes."""
    if delivery.user is not None:
        return f"{delivery.user} · {delivery.user.email}"
    return f"{delivery.endpoint.name} · {delivery.host}" if delivery.endpoint else delivery.host
