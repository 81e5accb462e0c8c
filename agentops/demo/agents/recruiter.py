"""`recruiter`: invite a candidate once, wait two days for a reply, remind once, then ask a person what to do.

The invitation goes out once for this candidate and role, even if another run asks for it again: the mail's key is built
from what it *is*. Replies come as events `mail.reply` with the address as their key.
"""

from typing import Any

from runs.program import Context, Finish, Goto, Program, event, node

REPLY_SECONDS = 48 * 3600
CHOICES = ["wait two more days", "close the case"]


class Recruiter(Program):
    name = "recruiter"
    version = "1"
    title = "Recruiter"
    description = "Invites a candidate once, waits up to 48 hours for the reply, reminds, and asks a person when none comes."
    input_schema = {
        "type": "object",
        "additionalProperties": False,
        "required": ["name", "email", "role"],
        "properties": {
            "name": {"title": "Candidate", "type": "string", "minLength": 1, "maxLength": 100},
            "email": {"title": "E-mail", "type": "string", "pattern": "^[^@\\s]+@[^@\\s]+$", "maxLength": 200},
            "role": {"title": "Role", "type": "string", "minLength": 1, "maxLength": 100},
            "reply_seconds": {
                "title": "Time to reply", "description": "Seconds to wait for a reply, each time.", "type": "integer",
                "minimum": 1, "maximum": 30 * 86_400, "default": REPLY_SECONDS,
            },
        },
    }  # fmt: skip

    def title_of(self, state: Any) -> str:
        return f"{state['name']} for {state['role']}"

    @node(start=True)
    def invite(self, ctx: Context, state: Any) -> Goto:
        """Send the invitation."""
        text = (
            f"Dear {state['name']},\n\nwould you like to talk with us about the position “{state['role']}”?"
        )
        self._send(ctx, state, "Invitation", text)
        return Goto("wait", set={"asked": "Invitation"}, note="invited")

    @node
    def wait(self, ctx: Context, state: Any) -> Goto | Finish:
        """Wait for the reply."""
        replied = event("mail.reply", key=state["email"])
        came = ctx.wait_for(
            replied, timeout_seconds=state.get("reply_seconds", REPLY_SECONDS), on_timeout=None
        )
        if came:
            return Finish(
                output={"replied": True, "reply": came["payload"], "at": came["at"], "after": state["asked"]}
            )
        return Goto("remind" if state["asked"] == "Invitation" else "escalate", note="no reply")

    @node
    def remind(self, ctx: Context, state: Any) -> Goto:
        """Send one reminder."""
        self._send(ctx, state, "Reminder", f"Dear {state['name']},\n\nmay we remind you of our invitation?")
        return Goto("wait", set={"asked": "Reminder"}, note="reminded")

    @node
    def escalate(self, ctx: Context, state: Any) -> Goto | Finish:
        """Ask a person what to do."""
        answer = ctx.ask(
            f"{state['name']} has not replied to the invitation and the reminder. What now?", choices=CHOICES,
            on_timeout=CHOICES[1],
        )  # fmt: skip
        if answer == CHOICES[0]:
            return Goto("wait", set={"asked": "a person's patience"}, note=answer)
        return Finish(output={"replied": False}, note=answer)

    def _send(self, ctx: Context, state: Any, subject: str, text: str) -> None:
        ctx.tool(
            "mail.send",
            to=state["email"],
            subject=f"{subject}: {state['role']}",
            text=text,
            about=state["role"],
        )
