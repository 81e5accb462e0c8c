"""Asking a language model: one journalled action of a node."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from agentops.common.types import JsonObject
from runs.engine.errors import CommandError

MAX_MODELS = 8


class LanguageModels:
    """What the context offers for language models."""

    _act: Callable[..., Any]

    def llm(
        self,
        messages: str | Sequence[Mapping[str, Any]],
        *,
        models: str | Sequence[str] = "",
        instructions: str = "",
        tools: Sequence[str | Mapping[str, Any]] = (),
        output_schema: Mapping[str, Any] | None = None,
        max_tokens: int | None = None,
        temperature: float | None = None,
    ) -> Any:
        """Return a model's answer; asked once, recorded, tried again and passed on to the next model when it fails.

        `ctx.llm("Summarise: …", models=["openai/gpt-5-mini", "backup/qwen3"])`. A model is `provider/model`, only
        `provider` for its first, or empty for the team's default. `messages` are text, or as runs.engine.chat tells. `tools`
        are names of registered tools, or `{"name", "description", "schema"}`: the model asks for calls, it is the node
        that makes them.

        The answer has `text`, `calls`, `reasoning`, `output` (JSON that fits `output_schema`), `finish_reason`,
        `requested` and `answered` (which model), `usage` with `tokens_in`, `tokens_out`, `tokens_cached` and
        `cost_microusd` (null where nobody knows the price), and `decisions`: what was tried before, and why not.

        Raises: ActionFailedError when no model answers; CommandError.
        """
        references = [models] if isinstance(models, str) else list(models)
        if not 1 <= len(references) <= MAX_MODELS or not all(isinstance(name, str) for name in references):
            raise CommandError(f"ctx.llm takes 1 to {MAX_MODELS} models such as 'openai/gpt-5-mini'")
        talk = [{"role": "user", "text": messages}] if isinstance(messages, str) else list(messages)
        given = {
            "instructions": instructions, "tools": list(tools), "max_tokens": max_tokens, "temperature": temperature,
            "output_schema": dict(output_schema) if output_schema else None,
        }  # fmt: skip
        args = {
            "models": references,
            "messages": talk,
            **{key: value for key, value in given.items() if value},
        }
        return self._act("llm", references[0] or "default", args)


def last_said(args: JsonObject) -> str:
    """Return what stands last in the talk of a request, short, for a row of the tree."""
    messages: Any = args["messages"]
    last = messages[-1] if messages else {}
    return str(last.get("text") or last.get("result") or "")[:120]
