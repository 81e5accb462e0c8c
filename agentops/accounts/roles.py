"""Roles, scopes, and the actor on whose behalf everything is read and written (pure)."""

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from agentops.common.errors import NotAllowedError


class Role(StrEnum):
    VIEWER = "viewer"
    OPERATOR = "operator"
    REVIEWER = "reviewer"
    ADMIN = "admin"


class Scope(StrEnum):
    """What an actor may do; a token has some of its owner's."""

    READ = "read"
    RUN = "run"
    REVIEW = "review"
    ADMIN = "admin"


ROLE_SCOPES: dict[Role, frozenset[Scope]] = {
    Role.VIEWER: frozenset({Scope.READ}),
    Role.OPERATOR: frozenset({Scope.READ, Scope.RUN}),
    Role.REVIEWER: frozenset({Scope.READ, Scope.REVIEW}),
    Role.ADMIN: frozenset(Scope),
}


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts, in which team, with which scopes. Every selector and service takes one."""

    team_id: UUID
    user_id: int | None
    name: str
    scopes: frozenset[Scope]
    token_id: UUID | None = None

    def can(self, scope: Scope) -> bool:
        return scope in self.scopes

    def require(self, scope: Scope) -> None:
        """Raises: NotAllowedError when the actor lacks `scope`."""
        if scope not in self.scopes:
            raise NotAllowedError(
                f"{self.name} lacks the scope {scope.value!r}; ask an admin of the team for it"
            )
