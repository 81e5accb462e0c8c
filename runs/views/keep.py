"""Keeping one run: pins and legal holds, archiving it, reading it in its archive, restoring it."""

from datetime import datetime
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import FileResponse, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.dateparse import parse_date
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from agentops.accounts.roles import Actor, Scope
from agentops.common.errors import AgentOpsError, BrokenArchiveError, InvalidInputError
from runs.archives.files import SUFFIX
from runs.archives.reading import last_state, read
from runs.checkpoints.chain import IntegrityError
from runs.models import Run
from runs.presenters import text
from runs.presenters.retention import hold_chips, shown, step_rows
from runs.presenters.status import ARCHIVED, run_chip
from runs.selectors.archives import archive_for, file_for
from runs.selectors.retention import holds_for
from runs.selectors.runs import run_for
from runs.services.archive_run import archive_run
from runs.services.hold_run import hold_run, release_hold
from runs.services.restore_run import restore_run
from runs.views.base import number_of, respond, room

PAGE_STEPS = 200
LOG_LINES = 1000


def archived_page(request: HttpRequest, actor: Actor, run: Run) -> HttpResponse:
    """The run as it stands in its archive: its steps, one of them whole, its log, its last state; read only."""
    archive = archive_for(actor, run.pk)
    context: dict[str, Any] = {
        "run": run, "archive": archive, "chips": [run_chip(run), ARCHIVED, *hold_chips(holds_for(actor, run.pk))],
        "can_admin": actor.can(Scope.ADMIN), "show": request.GET.get("show", "steps"), "title": text.line(run.title, 200),
    }  # fmt: skip
    if archive.doomed_at is not None or archive.stored_at is None:
        return respond(request, "runs/archived.html", context | {"is_going": True})
    try:
        with file_for(actor, run.pk) as path:
            context |= _material(request, path, context["show"])
    except (BrokenArchiveError, OSError) as error:
        context["problem"] = error.detail if isinstance(error, BrokenArchiveError) else str(error)
    return respond(request, "runs/archived.html", context)


@require_http_methods(["GET", "POST"])
@room
def keep(request: HttpRequest, actor: Actor, run_id: UUID) -> HttpResponse:
    """Whether the run is held, and by whom; POST pins it, puts it under a legal hold, or lifts that."""
    run = run_for(actor, run_id, also_archived=True)
    problem, status = "", 200
    if request.method == "POST":
        try:
            _hold(actor, run_id, request)
        except AgentOpsError as error:
            problem, status = error.detail, error.http_status
        else:
            return redirect("runs:keep", run_id)
    holds = holds_for(actor, run_id)
    context = {
        "run": run, "holds": list(zip(holds, hold_chips(holds), strict=True)), "can_admin": actor.can(Scope.ADMIN),
        "kinds": {hold.kind for hold in holds}, "problem": problem, "title": text.line(run.title, 120),
        "typed": request.POST,
    }  # fmt: skip
    return respond(request, "runs/keep.html", context, status=status)


@require_POST
@room
def archive(request: HttpRequest, actor: Actor, run_id: UUID) -> HttpResponse:
    """Archive the run now."""
    try:
        archive_run(actor=actor, run_id=run_id)
    except (AgentOpsError, IntegrityError, OSError) as error:
        messages.error(request, text.line(str(error), 400))
        return redirect("runs:keep", run_id)
    messages.info(request, _("The run is archived. It is read from its file from now on."))
    return redirect("runs:run", run_id)


@require_POST
@room
def restore(request: HttpRequest, actor: Actor, run_id: UUID) -> HttpResponse:
    """Bring the run back from its archive."""
    try:
        restore_run(actor=actor, run_id=run_id)
    except (AgentOpsError, OSError) as error:
        if isinstance(error, AgentOpsError) and error.http_status in (403, 404):
            raise
        messages.error(request, text.line(str(error), 400))
        return redirect("runs:run", run_id)
    messages.info(
        request, _("The run is restored, and its chain is what was written. Policies spare it for 7 days.")
    )
    return redirect("runs:run", run_id)


@room
def download(request: HttpRequest, actor: Actor, run_id: UUID) -> FileResponse:
    """The file of the archived run."""
    with file_for(actor, run_id) as path:
        opened = path.open("rb")  # it stays readable when its name is gone
    return FileResponse(
        opened, as_attachment=True, filename=f"{run_id}{SUFFIX}", content_type="application/octet-stream"
    )


def _material(request: HttpRequest, path: Any, show: str) -> dict[str, Any]:
    if show == "state":
        archived = read(path, "runs_checkpoint", "runs_branch")
        return {"state": shown(last_state(archived))}
    if show == "log":
        lines = read(path, "runs_logline").rows["runs_logline"]
        return {
            "lines": [line | {"at": datetime.fromisoformat(line["at"])} for line in lines[:LOG_LINES]],
            "n_lines": len(lines),
        }
    if seq := number_of(request, "step"):
        archived = read(path, "runs_step", "runs_outcome")
        steps = [row for row in archived.rows["runs_step"] if row["seq"] == seq]
        found = [row for row in archived.rows["runs_outcome"] if row["seq"] == seq]
        asked = [shown(archived.value(row["request_codec"], row["request"])) for row in found]
        came = [shown(archived.value(row["body_codec"], row["body"])) for row in found if row["body"]]
        return {"step": steps[0] if steps else None, "asked": asked, "came": came, "seq": seq}
    archived = read(path, "runs_step")
    after = number_of(request, "after")
    rows = step_rows(archived, after=after, limit=PAGE_STEPS + 1)
    is_more = len(rows) > PAGE_STEPS
    return {"steps": rows[:PAGE_STEPS], "next": rows[PAGE_STEPS - 1].seq if is_more else None,
            "n_steps": len(archived.rows["runs_step"])}  # fmt: skip


def _hold(actor: Actor, run_id: UUID, request: HttpRequest) -> None:
    typed = request.POST
    kind, reason = typed.get("kind", ""), typed.get("reason", "")
    if "release" in typed:
        release_hold(actor=actor, run_id=run_id, kind=kind, reason=reason)
        return
    hold_run(actor=actor, run_id=run_id, kind=kind, reason=reason, until_at=_until(typed.get("until", "")))


def _until(given: str) -> datetime | None:
    """Return the end of the day in the person's zone; None for no day. Raises: InvalidInputError."""
    if not given:
        return None
    try:
        day = parse_date(given)
    except ValueError:
        day = None
    if day is None:
        raise InvalidInputError(
            "the day until which it is kept must be given as 2027-01-31, or be left empty"
        )
    end = datetime.combine(day, datetime.max.time().replace(microsecond=0))
    return timezone.make_aware(end)
