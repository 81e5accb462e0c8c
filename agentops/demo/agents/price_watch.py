"""`price-watch`: wait, for days if need be, until something is cheap; ask a person; buy only what they saw.

The run walks `look` ⇄ `offer`. Between two looks it is a row: it costs nothing and survives every restart. The price is a
premise of the order: it is looked at once more right before. If it moved, nothing is bought and the person is asked anew.
"""

from typing import Any

from agentops.demo.desk_tools import price_url
from runs.program import (
    Context,
    Finish,
    Goto,
    PremiseFailedError,
    Program,
    RejectedError,
    WaitTimeoutError,
    event,
    json_path_equals,
    node,
    signal,
)

DAY_SECONDS = 86_400


class PriceWatch(Program):
    name = "price-watch"
    version = "2"
    title = "Price watch"
    description = "Watches the price of a symbol for days, and buys after a person's yes, if the price is still the one they saw."
    input_schema = {
        "type": "object",
        "additionalProperties": False,
        "required": ["symbol", "limit_cents"],
        "properties": {
            "symbol": {
                "title": "Symbol", "description": "What to buy.", "type": "string", "pattern": "^[A-Z0-9]{1,12}$",
            },
            "limit_cents": {
                "title": "Limit", "description": "The highest price to offer, in cents.", "type": "integer", "minimum": 1,
            },
            "quantity": {"title": "Quantity", "type": "integer", "minimum": 1, "maximum": 10_000, "default": 1},
            "every_seconds": {
                "title": "Look every", "description": "Seconds between two looks. An event price.changed wakes it earlier.",
                "type": "integer", "minimum": 1, "maximum": DAY_SECONDS, "default": 3600,
            },
            "answer_seconds": {
                "title": "Time to answer", "description": "Seconds until an offer that nobody answers is withdrawn.",
                "type": "integer", "minimum": 1, "maximum": 7 * DAY_SECONDS, "default": DAY_SECONDS,
            },
            "max_looks": {
                "title": "Looks", "description": "After how many looks it gives up.", "type": "integer", "minimum": 1,
                "maximum": 100_000, "default": 720,
            },
        },
    }  # fmt: skip

    def title_of(self, state: Any) -> str:
        return f"{state['symbol']} at {euros(state['limit_cents'])} or less"

    @node(start=True)
    def look(self, ctx: Context, state: Any) -> Goto | Finish:
        """Look at the price; wait when it is too high."""
        n_looks = state.get("n_looks", 0) + 1
        price = ctx.tool("market.price", symbol=state["symbol"])["price_cents"]
        ctx.progress(n_looks, state.get("max_looks", 720), f"looks; {euros(price)} now")
        if price <= state["limit_cents"]:
            return Goto(
                "offer", set={"n_looks": n_looks, "price_cents": price}, note=f"{euros(price)}: cheap enough"
            )
        if n_looks >= state.get("max_looks", 720):
            return Finish(
                output={"bought": False, "why": f"never at {euros(state['limit_cents'])} in {n_looks} looks"}
            )
        came = ctx.wait_for(
            event("price.changed", key=state["symbol"]), signal("stop"),
            timeout_seconds=state.get("every_seconds", 3600), on_timeout=None,
        )  # fmt: skip
        if came and came["kind"] == "signal":
            return Finish(output={"bought": False, "why": "a person stopped it"})
        return Goto("look", set={"n_looks": n_looks}, note=f"{euros(price)}: too high")

    @node
    def offer(self, ctx: Context, state: Any) -> Goto | Finish:
        """Ask a person whether to buy at this price, and buy if it is still the one they saw."""
        price, quantity = state["price_cents"], state.get("quantity", 1)
        summary = f"Buy {quantity} × {state['symbol']} at {euros(price)}, {euros(price * quantity)} in all?"
        if "moved" in state:
            summary = f"The price moved from {euros(state['moved'])} to {euros(price)}, so nothing was bought. {summary}"
        try:
            bought = ctx.approved_tool(
                "market.buy", {"symbol": state["symbol"], "quantity": quantity}, summary=summary, on_mismatch="fail",
                premises=[json_path_equals(price_url(state["symbol"]), "/price_cents", name="the price in cents")],
                timeout_seconds=state.get("answer_seconds", DAY_SECONDS),
            )  # fmt: skip
        except PremiseFailedError as error:
            return self._moved(ctx, state, error.premises[0]["found"])
        except WaitTimeoutError:
            return Goto("look", note="nobody answered; the offer is withdrawn")
        except RejectedError as error:
            return Finish(output={"bought": False, "why": str(error)})
        return Finish(
            output={"bought": True, "order": bought}, note=f"bought at {euros(bought['price_cents'])}"
        )

    def _moved(self, ctx: Context, state: Any, now: int) -> Goto:
        """Offer anew what is still cheap enough, and go on watching what is not."""
        told = f"{euros(state['price_cents'])} was approved, it is {euros(now)} now: not bought"
        ctx.log(told, level="warning")
        where = "offer" if now <= state["limit_cents"] else "look"
        return Goto(where, set={"moved": state["price_cents"], "price_cents": now}, note=told)


def euros(cents: int) -> str:
    return f"{cents / 100:,.2f} €"
