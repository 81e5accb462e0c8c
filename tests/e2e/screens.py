"""Pictures of every page, to be looked at: `python -m tests.e2e.screens OUT URL [SIGN_IN_LINK]`.

Without an address it starts a server of its own, on a database of its own, with runs of every kind.
"""

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin

from playwright.sync_api import Page, sync_playwright

from tests.e2e.browser import ARGS, chromium

if TYPE_CHECKING:
    from runs.models import AgentVersion, Run

PAGES = {
    "sign-in": "/accounts/login/?next=/runs",
    "sign-out": "/accounts/logout/",
    "home": "/",
    "dashboards": "/dashboards?span=7d",
    "runs": "/runs",
    "runs-failed": "/runs?q=status:failed",
    "runs-none": "/runs?q=zebra agent:site-research",
    "runs-bad-query": "/runs?q=statsu:failed",
    "runs-elsewhen": "/runs?q=created:2020-01-31",
    "runs-columns": "/runs?q=&cols=status,run,version,tags,created,duration,cost,steps,id",
    "runs-peek": "/runs?q=&peek={failed}",
    "runs-overview": "/runs/overview?q=-status:queued",
    "save-view": "/runs/views/save?q=status:failed",
    "saved-views": "/runs/views",
    "bulk": "/runs/bulk?all=1&q=is:open&verb=kill",
    "bulk-jobs": "/runs/bulk/jobs",
    "bulk-job": "/runs/bulk/{job}",
    "agents": "/agents",
    "agent-new": "/agents/new",
    "agent-import": "/agents/import",
    "agent-versions": "/agents/site-research/versions",
    "agent-watch": "/agents/site-research/watch",
    "start": "/runs/start?agent=site-research",
    "run-succeeded": "/runs/{succeeded}",
    "run-failed": "/runs/{failed}",
    "run-running": "/runs/{running}",
    "run-sleeping": "/runs/{sleeping}",
    "run-queued": "/runs/{queued}",
    "run-long": "/runs/{long}",
    "run-hostile": "/runs/{hostile}",
    "step-write": "/runs/{succeeded}/steps/237",
    "log": "/runs/{failed}/log",
    "state": "/runs/{succeeded}/state",
    "diff": "/runs/{succeeded}/diff/1..236",
    "state-place": "/runs/{succeeded}/state?at=/report/status",
    "story": "/runs/{succeeded}/story",
    "story-failed": "/runs/{failed}/story",
    "raw": "/runs/{failed}/raw",
    "find": "/runs/{succeeded}/find?q=asyncio",
    "find-nothing": "/runs/{succeeded}/find?q=a",
    "diff-two-runs": "/runs/{succeeded}/diff/236..{failed}:229",
    "output": "/runs/{succeeded}/output",
    "branches": "/runs/{rewound}/branches",
    "fork": "/runs/{rewound}/fork?from=2",
    "rewind": "/runs/{rewound}/rewind?to=2",
    "files": "/runs/{filed}/files?seq=2&since=1",
    "file": "/runs/{filed}/files/file?path=run.sh",
    "file-change": "/runs/{filed}/files/file?path=notes/pages.md&seq=2&since=1",
    "left-branch": "/runs/{rewound}/steps/3",
    "callbacks": "/runs/{told}/callbacks",
    "callback-secret": "/settings/callbacks",
    "cancel": "/runs/{running}/do/cancel",
    "kill": "/runs/{running}/do/kill",
    "too-late": "/runs/{succeeded}/do/pause",
    "dead-letters": "/runs/dead-letters",
    "dead-letters-one": "/runs/dead-letters?agent=site-research&code=ValueError&node=draft",
    "verify": "/runs/{succeeded}/verify",
    "integrity": "/runs/{broken}/verify",
    "unknown": "/runs/{unknown}",
    "resolve": "/runs/{unknown}/steps/4/resolve",
    "schedules": "/schedules",
    "schedule": "/schedules/{schedule}",
    "schedule-new": "/schedules/new?agent=site-research",
    "schedule-edit": "/schedules/{schedule}/edit",
    "schedule-delete": "/schedules/{schedule}/delete",
    "run-parent": "/runs/{parent}",
    "run-child": "/runs/{child}",
    "children": "/runs/{parent}/children",
    "batches": "/batches",
    "batch": "/batches/standard%20library",
    "compare": "/compare?a={succeeded}&b={failed}",
    "compare-with": "/compare?a={failed}",
    "palette": "/palette?q=docs",
    "settings": "/settings",
    "people": "/settings/people",
    "tokens": "/settings/tokens",
    "administration": "/admin/",
    "limits": "/limits",
    "limit-new": "/limits/new?scope=key",
    "pause-agent": "/agents/site-research/pause",
    "approvals": "/approvals",
    "approvals-bad-query": "/approvals?q=is:overdeu",
    "approval-rules": "/policies/approval-rules",
    "sla": "/approvals/sla",
    "escalations": "/policies/escalations",
    "escalation-new": "/policies/escalations/new",
    "calendar-new": "/policies/calendars/new",
    "rule-new": "/policies/approval-rules/new",
    "queue-new": "/policies/queues/new",
    "stuck": "/stuck",
    "budgets": "/policies/budgets",
    "budget-new": "/policies/budgets/new",
    "costs": "/costs",
    "retention": "/policies/retention",
    "retention-new": "/policies/retention/new",
    "storage": "/storage",
    "memory": "/memory",
    "events": "/events",
    "sources": "/sources",
    "source-new": "/sources/new",
    "triggers": "/triggers",
    "providers": "/settings/providers",
    "provider-new": "/settings/providers/new",
    "notifications": "/notifications",
    "notification-settings": "/notifications/settings",
    "endpoints": "/notifications/endpoints",
    "audit": "/audit",
    "nothing": "/runs/00000000-0000-7000-8000-000000000000",
}  # fmt: skip
LOOKS: dict[str, dict[str, Any]] = {
    "light": {"color_scheme": "light", "viewport": {"width": 1440, "height": 900}},
    "dark": {"color_scheme": "dark", "viewport": {"width": 1440, "height": 900}},
    "narrow": {"color_scheme": "light", "viewport": {"width": 390, "height": 844}},
}


@dataclass(frozen=True, slots=True)
class Visit:
    """Goes to pages by name, with the runs' ids put into their addresses."""

    page: Page
    runs: Mapping[str, str]

    def go(self, name: str) -> None:
        if name == "sign-in":  # which those who are signed in never see
            cookies = self.page.context.cookies()
            self.page.context.clear_cookies()
            self.page.goto(PAGES[name], wait_until="load")
            self.page.context.add_cookies(cookies)  # type: ignore[arg-type]  # what it gave, it takes
        else:
            self.page.goto(PAGES[name].format_map(self.runs), wait_until="load")
        self.page.wait_for_timeout(120)


def the_runs(version: "AgentVersion") -> dict[str, str]:
    """Insert a run of every kind and return their ids by name."""
    from tests.ui import stories
    from tests.ui.builders import RunBuilder

    made = {kind: stories.a_crawl(version, finish=kind) for kind in ("succeeded", "failed", "sleeping")}
    made["running"] = stories.a_crawl(
        version, finish="running", seconds_ago=600.0, title="Standard library, all pages"
    )
    made["queued"] = RunBuilder(version, title="Audit of payments-core", seconds_ago=30).save(status="queued")
    made["long"] = stories.a_long_run(version, 2000, n_names=97)
    for n in range(4):
        stories.a_crawl(version, finish="failed", n_pages=2 + n, title=f"Docs review, week {43 + n}")
    made["broken"] = stories.a_forged_run(version)
    made["poison"] = stories.a_poisoned_run(version)
    made["hostile"] = stories.a_hostile_run(version)
    made["unknown"] = stories.a_transfer(version)
    made["told"] = stories.a_told_run(version)
    more = {"job": str(_a_bulk_job(version).id), "schedule": str(_a_schedule(version).id)}
    made["parent"], made["child"] = stories.a_family(version)
    made["rewound"], made["filed"] = _a_rewound_run(version), _a_run_with_files(version)
    return {kind: str(run.id) for kind, run in made.items()} | more


def _a_schedule(version: "AgentVersion") -> Any:
    """Insert a schedule with a history, and return it."""
    from agentops.accounts.roles import Actor, Scope
    from runs.models import ScheduleFire
    from tests.schedules import a_schedule

    actor = Actor(version.team_id, None, "ada", frozenset(Scope))
    given = {"root": "https://docs.example.org/"}
    schedule = a_schedule(
        "0 9 * * 1-5", agent=version.agent.slug, actor=actor, input=given, title="Morning crawl", time_zone="Asia/Tokyo"
    )  # fmt: skip
    for day, status in enumerate(("missed", "skipped", "queued", "replaced", "failed", "started"), 1):
        ScheduleFire.objects.create(
            schedule=schedule, team_id=version.team_id, fire_at=f"2026-01-0{day}T09:00:00Z", status=status, n_times=3,
            first_at="2025-12-30T09:00:00Z", reason=f"run {schedule.id} has not ended: it is paused" if day % 2 else "",
        )  # fmt: skip
    return schedule


def _a_rewound_run(version: "AgentVersion") -> "Run":
    """Insert a run that sent an e-mail, failed, and was told to go on from before."""
    from runs.services.register_programs import register_programs
    from runs.services.rewind_run import rewind_run
    from tests import ledger
    from tests.forking import actor_of
    from tests.runs import a_run, drive

    ledger.create()
    register_programs(team_id=version.team_id)
    run = drive(a_run("test-mailing", {"to": "ada"}, team=version.team))
    return drive(rewind_run(actor=actor_of(run), run_id=run.pk, seq=2, reason="the list was old"))


def _a_run_with_files(version: "AgentVersion") -> "Run":
    """Insert a run that kept files, changed some, and took one away."""
    from tests.runs import a_run, drive

    pages = "".join(f"- page {n} of the standard library\n" for n in range(40))
    first = [
        ["write", "notes/pages.md", pages],
        ["write", "run.sh", "#!/bin/sh\n"],
        ["mode", "run.sh", 0o755],
    ]
    then = [
        ["write", "notes/pages.md", pages.replace("page 7", "chapter 7")],
        ["write", "<b>odd</b>.md", "x"],
    ]
    nodes = [[*first, ["write", "draft.md", "x"]], [*then, ["remove", "draft.md"], ["odd", "bytes"]]]
    return drive(a_run("test-filing", {"nodes": nodes}, team=version.team))


def _a_bulk_job(version: "AgentVersion") -> Any:
    """Insert a job that is under way and one saved view, and return the job."""
    from runs.models import BulkJob, BulkResult, Run, SavedView
    from tests.ui import builders

    ada = builders.a_person(version.team)
    SavedView.objects.create(team=version.team, owner=ada, name="Docs audits", query="docs", is_shared=True)
    job = BulkJob.objects.create(
        team=version.team, user=ada, created_by="ada", verb="cancel", query="tag:nightly", reason="wrong site",
        expected=412, n_done=120, n_refused=1, due_at="2100-01-01T00:00:00Z",
    )  # fmt: skip
    told = "this run is succeeded, so it is too late or too early to cancel it"
    BulkResult.objects.create(job=job, run_id=Run.objects.values_list("id", flat=True)[0], problem=told)
    return job


def take(out: Path, url: str, *, link: str = "", session_key: str = "", runs: Mapping[str, str]) -> None:
    """Save each page in each look as `out/page-look.png`."""
    out.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=list(ARGS))
        state: Any = None
        for look, options in LOOKS.items():
            context = browser.new_context(base_url=url, storage_state=state, **options)
            if session_key:
                context.add_cookies([{"name": "sessionid", "value": session_key, "url": url}])
            page = context.new_page()
            if link and state is None:
                page.goto(link)
                page.get_by_role("button").first.click()
                state = context.storage_state()
            for name in [name for name in PAGES if _is_there(PAGES[name], runs)]:
                Visit(page, runs).go(name)
                page.screenshot(path=out / f"{name}-{look}.png")
            context.close()
        browser.close()


def _is_there(address: str, runs: Mapping[str, str]) -> bool:
    return "{" not in address or any(f"{{{kind}}}" in address for kind in runs)


@contextmanager
def own_server(log: Path) -> Iterator[tuple[str, str, dict[str, str]]]:
    """Start PostgreSQL, Redis and the web server; yields the address, a session and the runs' ids."""
    import os

    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
    import django

    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    from tests.e2e.server import WebServer
    from tests.e2e.sessions import session_of
    from tests.ui import builders

    team = builders.a_team()
    builders.living_system()
    runs = the_runs(builders.an_agent(team, program="test-steps"))
    with WebServer(log) as server:
        yield server.url, session_of(builders.a_person(team)), runs


def main(arguments: list[str]) -> None:
    out = Path(arguments[0])
    if len(arguments) == 1:
        with own_server(out.with_suffix(".log")) as (url, session_key, runs):
            take(out, url, session_key=session_key, runs=runs)
    else:
        link = urljoin(arguments[1], arguments[2]) if len(arguments) > 2 else ""
        take(out, arguments[1], link=link, runs={})


if __name__ == "__main__":
    main(sys.argv[1:])
