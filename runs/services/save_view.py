"""Save a view of the run list under a name, or change the one that has it."""

from collections.abc import Sequence

from agentops.accounts.roles import Actor, Scope
from agentops.common.canonical import clean_json
from agentops.common.errors import InvalidInputError, NotAllowedError
from agentops.common.transactions import transaction
from runs.models import SavedView
from runs.selectors.run_query import run_query

MAX_NAME_CHARACTERS = 60


def save_view(
    *,
    actor: Actor,
    name: str,
    query: str,
    columns: Sequence[str] = (),
    is_shared: bool = False,
    is_default: bool = False,
) -> SavedView:
    """Return the actor's view of that name, as it is now; at most one of theirs opens the list.

    Raises: BadQueryError for a query that cannot be read, InvalidInputError for a name, NotAllowedError.
    Transaction: opens one.
    """
    actor.require(Scope.READ)
    if actor.user_id is None:
        raise NotAllowedError("only a person can save views")
    name = str(clean_json(name)).strip()
    if not 1 <= len(name) <= MAX_NAME_CHARACTERS:
        told = f"a name has 1 to {MAX_NAME_CHARACTERS} characters"
        raise InvalidInputError(told, errors=[{"pointer": "/name", "message": told}])
    run_query(actor, query)
    own = SavedView.objects.filter(team_id=actor.team_id, owner_id=actor.user_id)
    with transaction():
        if is_default:
            own.exclude(name=name).update(is_default=False)
        view, _made = SavedView.objects.update_or_create(
            team_id=actor.team_id, owner_id=actor.user_id, name=name,
            defaults={"query": query, "columns": list(columns), "is_shared": is_shared, "is_default": is_default},
        )  # fmt: skip
    return view
