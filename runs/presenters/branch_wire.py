"""The shapes of the API about forks, rewinds and branches, made from what selectors and services return."""

from runs import schemas_branches as schemas
from runs.models import Run
from runs.presenters.effects import MEANS
from runs.schemas import DiffSummaryOut
from runs.selectors.branches import Branches, BranchRow
from runs.selectors.effects import EffectBehind
from runs.services.preview_fork import ForkPreview
from runs.services.preview_rewind import RewindPreview


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


def rewind_preview(found: RewindPreview) -> schemas.RewindPreviewOut:
    return schemas.RewindPreviewOut(
        seq=found.point.seq,
        checkpoint_seq=found.point.checkpoint_seq,
        node=found.point.node,
        effect_mode=found.mode,
        words=str(MEANS[found.mode]),
        actions=found.behind.n_actions,
        effects=[_effect(effect) for effect in found.behind.effects],
        n_effects=found.behind.n_effects,
    )


def branches(found: Branches) -> schemas.BranchesOut:
    return schemas.BranchesOut(
        branches=[_branch(found.run, row) for row in found.branches],
        forks=[
            schemas.ForkOut(
                id=fork.pk, seq=fork.forked_from_seq, status=fork.status, effect_mode=fork.effect_mode,
                created_by=fork.created_by, created_at=fork.created_at,
            )
            for fork in found.forks
        ],
        n_forks=found.n_forks,
    )  # fmt: skip


def _branch(run: Run, branch: BranchRow) -> schemas.BranchOut:
    row = branch.row
    return schemas.BranchOut(
        number=branch.number,
        parent_number=branch.parent_number,
        cause=row.cause if row else "start",
        rung=schemas.RungOut(**row.changes["heal"]) if row and row.cause == "heal" and row.changes else None,
        effect_mode=row.effect_mode if row else "",
        from_run=row.from_run_id if row else None,
        from_seq=row.from_seq if row else None,
        checkpoint_seq=row.checkpoint_seq if row else None,
        node=row.node if row else "",
        reason=row.reason if row else "",
        by=row.by if row else run.created_by,
        at=branch.began_at,
        is_current=branch.is_current,
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
