"""The desk that runs plug in: what it is told and asked goes to the services."""

import logging
from uuid import UUID

from agentops.common.transactions import transaction
from approvals.services.close_request import close_request
from approvals.services.judge_proposal import judge_proposal
from approvals.services.open_request import open_request
from approvals.services.renew_grants import renew_grants
from approvals.services.take_answer import take_answer
from approvals.services.use_grant import use_grant
from runs.desk import Answer, Judgement, Proposal

logger = logging.getLogger(__name__)


class ApprovalDesk:
    """See runs.desk.Desk. A question that cannot be read never holds up its run: the clock tries again."""

    def opened(self, run_id: UUID, seq: int) -> None:
        try:
            with transaction():
                open_request(run_id=run_id, seq=seq)
        except (ArithmeticError, LookupError, TypeError, ValueError):
            logger.exception("the question of run %s, step %s could not be put on the desk", run_id, seq)

    def closed(self, run_id: UUID, seq: int) -> None:
        close_request(run_id=run_id, seq=seq)
        renew_grants(run_id=run_id, seq=seq)

    def judge(self, proposal: Proposal) -> Judgement:
        return judge_proposal(proposal)

    def use(self, grant: UUID, seq: int) -> None:
        use_grant(request_id=grant, seq=seq)

    def take(self, answer: Answer) -> bool:
        return take_answer(answer)
