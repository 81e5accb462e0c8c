"""`manage.py start_run AGENT --input JSON --follow`."""

import json
import time
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from agentops.accounts.roles import Actor
from agentops.accounts.selectors import actor_named
from agentops.common.errors import AgentOpsError
from runs.engine.states import TERMINAL, RunStatus
from runs.models import Run, Step
from runs.selectors import run_for, steps_for
from runs.services.start_run import start_run

POLL_SECONDS = 0.5
# What a follower would otherwise wait for without knowing.
FOR_PEOPLE = {
    RunStatus.AWAITING_APPROVAL: "somebody has to answer, at /runs/{run.id} or /approvals",
    RunStatus.PAUSED: "somebody has to resume it, at /runs/{run.id}",
}


class Command(BaseCommand):
    help = "Start a run, and with --follow show its steps until it has ended."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("agent", help="slug of the agent")
        parser.add_argument("--input", default="{}", help="the input as JSON, or @file")
        parser.add_argument("--user", default="", help="on whose behalf (default: the only person there is)")
        parser.add_argument("--team", default="", help="slug of the team (needed for members of several)")
        parser.add_argument("--key", help="idempotency key")
        parser.add_argument("--priority", type=int, default=0)
        parser.add_argument("--tag", action="append", default=[])
        parser.add_argument("--callback-url", help="where the end of the run is told to")
        parser.add_argument("--follow", action="store_true", help="stay until the run has ended")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            actor = actor_named(options["user"], options["team"])
            run, is_new = start_run(
                actor=actor,
                agent=options["agent"],
                input=_input(options["input"]),
                idempotency_key=options["key"],
                priority=options["priority"],
                tags=options["tag"],
                callback_url=options["callback_url"],
            )
        except AgentOpsError as error:
            raise CommandError(_sentence(error)) from error
        self._tell(f"{run.id} {'started' if is_new else 'was started before'}: {run.title}")
        if options["follow"]:
            self._follow(actor, run)

    def _follow(self, actor: Actor, run: Run) -> None:
        """Show steps as they are committed. Raises: CommandError when the run ends other than succeeded."""
        seen, status = 0, ""
        while True:
            shown = run_for(actor, run.id)
            seen = self._show_new_steps(actor, shown, seen)
            if RunStatus(shown.status) in TERMINAL:
                break
            if shown.status != status and shown.status in FOR_PEOPLE:
                self._tell(f"{shown.status}: {FOR_PEOPLE[RunStatus(shown.status)]}".format(run=shown))
            status = shown.status
            time.sleep(POLL_SECONDS)
        self._tell(f"{shown.status} after {shown.n_steps} steps")
        if shown.status != RunStatus.SUCCEEDED:
            raise CommandError((shown.error or {}).get("message") or shown.end_reason or shown.status)

    def _show_new_steps(self, actor: Actor, run: Run, seen: int) -> int:
        """Return the last node step shown; nodes alone, because their rows come in the order of their numbers."""
        page = steps_for(actor, run.id, after=seen, depth=0)
        for step in page.items:
            self._tell(_line(step))
        return page.items[-1].seq if page.items else seen

    def _tell(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()  # for whoever reads a pipe while the run goes on


def _input(text: str) -> Any:
    try:
        if text.startswith("@"):
            with open(text[1:], encoding="utf-8") as file:  # noqa: PTH123 -- a name that a person typed
                return json.load(file)
        return json.loads(text)
    except (OSError, ValueError) as error:
        raise CommandError(f"--input is not JSON: {error}") from error


def _sentence(error: AgentOpsError) -> str:
    places = [
        f"  {place['pointer'] or '(top level)'}: {place['message']}" for place in error.data.get("errors", [])
    ]
    return "\n".join([error.detail, *places])


def _line(step: Step) -> str:
    return f"{step.seq:>6}  {step.status:<10} {step.name}  {step.summary}".rstrip()
