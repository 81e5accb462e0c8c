"""Sources and triggers as the API tells them."""

from runs import schemas_sources as schemas
from runs.engine.sources import SourceKind
from runs.engine.states import RunStatus
from runs.models import Source, Trigger, TriggerStart
from runs.services.preview_trigger import TriggerPreview


def source_url(source: Source) -> str:
    """Return the address of the source in the API."""
    return f"/api/v1/sources/{source.slug}"


def trigger_url(trigger: Trigger) -> str:
    """Return the address of the trigger in the API."""
    return f"/api/v1/triggers/{trigger.id}"


def etag(row: Source | Trigger) -> str:
    return f'"{row.version}"'


def hook_path(source: Source) -> str:
    """Return the path that the source is called at; empty where we look ourselves."""
    return f"/hooks/{source.slug}" if SourceKind(source.kind).is_called else ""


def source_out(source: Source) -> schemas.SourceOut:
    return schemas.SourceOut(
        slug=source.slug, kind=SourceKind(source.kind), settings=source.settings, url=f"/sources/{source.slug}",
        hook=hook_path(source), has_secret=source.__dict__["has_secret"], paused=source.is_paused, look_at=source.look_at,
        last_event_at=source.last_event_at, last_error=source.last_error, last_error_at=source.last_error_at,
        n_events=source.n_events, n_refused=source.n_refused, version=source.version, created_by=source.created_by,
        created_at=source.created_at,
    )  # fmt: skip


def source_with_secret(source: Source, secret: str) -> schemas.SourceSecretOut:
    return schemas.SourceSecretOut(**source_out(source).model_dump(), secret=secret)


def trigger_out(trigger: Trigger) -> schemas.TriggerOut:
    return schemas.TriggerOut(
        id=trigger.id, url=f"/triggers/{trigger.id}", agent=trigger.agent.slug,
        agent_version=trigger.agent_version.number if trigger.agent_version else None, event_name=trigger.event_name,
        key=trigger.key, match=trigger.match, input_template=trigger.input_template, priority=trigger.priority,
        paused=trigger.is_paused, version=trigger.version, created_by=trigger.created_by, created_at=trigger.created_at,
        defined_by=trigger.defined_by.slug if trigger.defined_by else None,
    )  # fmt: skip


def start_out(start: TriggerStart) -> schemas.TriggerStartOut:
    status = RunStatus(start.run.status) if start.run else None
    return schemas.TriggerStartOut(
        event_id=start.event_id, run=start.run_id, run_status=status, problem=start.problem, at=start.at
    )


def preview_out(preview: TriggerPreview) -> schemas.TriggerPreviewOut:
    return schemas.TriggerPreviewOut(
        fits=not preview.why_not, why_not=preview.why_not, input=preview.input, errors=preview.errors
    )
