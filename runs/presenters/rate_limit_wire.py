"""Rate limits of models as the API tells them."""

from runs import schemas_rate_limits as schemas
from runs.selectors.rate_limits import PREVIEW_DAYS, RateLimit, RatePreview


def rate_limit_url(limit: RateLimit) -> str:
    """Return the address of the limits in the API."""
    return f"/api/v1/policies/rate-limits/{limit.provider.slug}/{limit.model}"


def etag(limit: RateLimit) -> str:
    return f'"{limit.provider.version}"'


def rate_limit_out(limit: RateLimit) -> schemas.RateLimitOut:
    return schemas.RateLimitOut(
        provider=limit.provider.slug, model=limit.model, requests_per_minute=limit.requests_per_minute,
        tokens_per_minute=limit.tokens_per_minute, learned_requests_per_minute=limit.learned.rpm or None,
        learned_tokens_per_minute=limit.learned.tpm or None, blocked_seconds=limit.blocked_seconds,
        version=limit.provider.version,
    )  # fmt: skip


def preview_out(found: RatePreview, rpm: int | None, tpm: int | None) -> schemas.RateLimitPreviewOut:
    takes = [found.busiest_requests / rpm] if rpm else []
    takes += [found.busiest_tokens / tpm] if tpm else []
    return schemas.RateLimitPreviewOut(
        days=PREVIEW_DAYS, agents=found.agents, requests=found.n_requests, tokens=found.n_tokens,
        busiest_day_requests=found.busiest_requests, busiest_day_tokens=found.busiest_tokens,
        busiest_day_minutes=round(max(takes), 1) if takes else None,
    )  # fmt: skip
