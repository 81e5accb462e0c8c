"""What accounts say of sensitive things that are done, in the transaction that does them; the audit listens."""

from django.dispatch import Signal

# Sent with `actor` (an Actor), `action`, `subject` (`kind:id`) and `detail` (an object).
sensitive_action = Signal()
