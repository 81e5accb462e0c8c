"""`portal-filing`: a model writes the filing, the agent signs in at a portal and files it. It can get stuck at `login`.

It is impatient on purpose: while the portal's door is shut it knocks again and again, without a pause. The watch sees the
same call with the same result, tells people, and pauses the run; they open the door and resume all that stand before it.
"""

from typing import Any

from runs.program import ActionFailedError, Context, Fail, Finish, Goto, Program, node

MAX_TRIES = 2000


class PortalFiling(Program):
    name = "portal-filing"
    title = "Portal filing"
    description = "Writes a filing with a language model, signs in at a portal, and files it. While the portal is shut it gets stuck at login."
    input_schema = {
        "type": "object",
        "additionalProperties": False,
        "required": ["case", "facts"],
        "properties": {
            "case": {"title": "Case", "description": "Its number; filed once.", "type": "string", "minLength": 1, "maxLength": 60},
            "facts": {"title": "Facts", "description": "What is to be filed.", "type": "string", "minLength": 1, "maxLength": 4000},
            "user": {"title": "User", "description": "Who signs in.", "type": "string", "minLength": 1, "maxLength": 60, "default": "clerk"},
        },
    }  # fmt: skip
    # Whoever knocks twenty times a second is stopped sooner than others.
    watch = {
        "looping": {"ladder": [{"do": "notify"}, {"do": "pause", "after_seconds": 5}]},
    }
    searchable = ("/case", "/user")

    def title_of(self, state: Any) -> str:
        return f"File case {state['case']}"

    @node(start=True)
    def prepare(self, ctx: Context, state: Any) -> Goto:
        """Let a model write the filing; where there is none, the facts are filed as they are."""
        try:
            text = ctx.llm(f"Write one short paragraph for an authority: {state['facts']}")["text"]
        except ActionFailedError as error:
            ctx.log(
                f"no model wrote the filing, so the facts are filed as they are: {error}", level="warning"
            )
            text = state["facts"]
        return Goto("login", set={"text": text}, note=f"{len(text)} characters")

    @node
    def login(self, ctx: Context, state: Any) -> Goto | Fail:
        """Knock at the door."""
        n_tries = state.get("n_tries", 0) + 1
        answer = ctx.tool("portal.login", user=state.get("user", "clerk"))
        if answer["state"] == "in":
            return Goto("file", set={"n_tries": n_tries}, note="signed in")
        if n_tries >= MAX_TRIES:
            return Fail(f"the portal let nobody in, {n_tries:,} times", code="portal_shut")
        return Goto("login", set={"n_tries": n_tries}, note=str(answer["message"]))

    @node
    def file(self, ctx: Context, state: Any) -> Finish:
        """File the case, once."""
        filed = ctx.tool("portal.file", case=state["case"], text=state["text"])
        return Finish(
            output={"filing": filed["id"], "tries": state["n_tries"]}, note=f"filed as {filed['id']}"
        )
