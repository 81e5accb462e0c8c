"""The shapes of the API about forks, rewinds and branches, made from what selectors and services return."""

from runs import schemas_branches as schemas
from runs.presenters.effects import MEANS
from runs.schemas import DiffSummaryOut
from runs.selectors.effects import EffectBehind
from runs.services.preview_fork import ForkPreview


def fork_preview(found: ForkPreview) -> schemas.PreviewOut:
    plan, summary = found.plan, found.summary
    return schemas.PreviewOut(
        seq=plan.point.seq,
        checkpoint_seq=plan.point.checkpoint_seq,
        node=plan.point.node,
        kept=len(plan.kept),
        effect_mode=plan.mode,
        words=str(MEANS[plan.mode]),
        actions=found.behind.n_actions,
        effects=[_effect(effect) for effect in found.behind.effects],
        n_effects=found.behind.n_effects,
        patch=found.patch,
        summary=DiffSummaryOut(
            added=summary.n_added,
            removed=summary.n_removed,
            replaced=summary.n_replaced,
            moved=summary.n_moved,
            keys=summary.keys,
        ),
    )


def _effect(effect: EffectBehind) -> schemas.EffectOut:
    return schemas.EffectOut(
        seq=effect.seq,
        tool=effect.tool,
        args=effect.args,
        idempotency_key=effect.key,
        status=effect.status,
        fate=effect.fate,
    )
