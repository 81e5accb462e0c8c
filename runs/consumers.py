"""The websocket of the console: hints that something changed, for runs the person may see."""

from typing import Any
from uuid import UUID

from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncJsonWebsocketConsumer

from agentops.accounts.middleware import TEAM_SESSION_KEY
from agentops.accounts.models import User
from agentops.accounts.roles import Actor, Scope
from agentops.accounts.selectors import actor_of_user
from agentops.common.errors import AgentOpsError
from runs.broadcasts import run_group, team_group
from runs.selectors.runs import run_for
from runs.services.note_look import note_look

MAX_SUBSCRIPTIONS = 20
NOT_SIGNED_IN, NOT_ALLOWED = 4401, 4403


class HintConsumer(AsyncJsonWebsocketConsumer):  # type: ignore[misc]  # channels ships no types
    """Takes `{"subscribe": "runs"}` or `{"subscribe": "run:<uuid>"}`; sends `{"topic", "version"}`."""

    groups_joined: set[str]

    async def connect(self) -> None:
        self.groups_joined = set()
        self.actor = await _actor(self.scope)
        await self.accept()
        if self.actor is None or not self.actor.can(Scope.READ):
            await self.close(NOT_SIGNED_IN)

    async def receive_json(self, content: Any, **kwargs: Any) -> None:
        topic = content.get("subscribe") if isinstance(content, dict) else None
        group = await _group(self.actor, topic) if isinstance(topic, str) and self.actor else None
        if group is None or len(self.groups_joined) >= MAX_SUBSCRIPTIONS:
            await self.close(NOT_ALLOWED)
            return
        self.groups_joined.add(group)
        await self.channel_layer.group_add(group, self.channel_name)
        await self.send_json({"subscribed": topic})

    async def disconnect(self, code: int) -> None:
        for group in self.groups_joined:
            await self.channel_layer.group_discard(group, self.channel_name)

    async def hint(self, message: dict[str, Any]) -> None:
        await self.send_json({"topic": message["topic"], "version": message["version"]})

    @classmethod
    async def decode_json(cls, text_data: str) -> Any:
        """Return what was sent; None, which is no subscription, when it is not JSON."""
        try:
            return await super().decode_json(text_data)
        except ValueError:
            return None


@database_sync_to_async  # type: ignore[untyped-decorator]  # channels ships no types
def _actor(scope: dict[str, Any]) -> Actor | None:
    user = scope.get("user")
    if not isinstance(user, User) or not user.is_active:
        return None
    chosen = scope["session"].get(TEAM_SESSION_KEY)
    return actor_of_user(user, UUID(chosen) if chosen else None)


@database_sync_to_async  # type: ignore[untyped-decorator]  # channels ships no types
def _group(actor: Actor, topic: str) -> str | None:
    """Return the group whose hints the actor may have; None when there is none, or it is not theirs."""
    if topic == "runs":
        return team_group(actor.team_id)
    kind, _colon, run_id = topic.partition(":")
    if kind != "run":
        return None
    try:
        run = run_for(actor, UUID(run_id), also_archived=True)
    except (ValueError, AgentOpsError):
        return None
    note_look(actor=actor, run=run)
    return run_group(run.pk)
