"""An agent that answers from memory, and keeps what it is told."""

from typing import Any

from runs.program import Context, Finish, Goto, Program, node


class Concierge(Program):
    """Keeps `learn` under its key, then answers `question` with the best that is remembered."""

    name = "test-concierge"
    input_schema = {
        "type": "object",
        "properties": {
            "question": {"type": "string", "title": "Question"},
            "learn": {"type": "string", "title": "Learn"},
        },
        "required": ["question"],
    }

    @node(start=True)
    def keep(self, ctx: Context, state: Any) -> Goto:
        if state.get("learn"):
            ctx.tool("memory.put", space="facts", key="office", text=state["learn"])
        return Goto("answer")

    @node
    def answer(self, ctx: Context, state: Any) -> Finish:
        found = ctx.tool("memory.search", query=state["question"], spaces=["facts"], k=3)["items"]
        return Finish(output={"answer": found[0]["text"] if found else "", "trust": found[0]["trust"]})
