"""Between our messages and those of pydantic-ai, which knows each provider's wire."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic_ai.messages import (
    ModelMessage,
    ModelRequestPart,
    ModelResponse,
    ModelResponsePart,
    TextPart,
    ThinkingPart,
    ToolCallPart,
    ToolReturnPart,
    UserPromptPart,
)
from pydantic_ai.messages import ModelRequest as WireRequest
from pydantic_ai.models import Model, ModelRequestParameters
from pydantic_ai.output import OutputObjectDefinition
from pydantic_ai.tools import ToolDefinition

from agentops.common.errors import InvalidInputError
from agentops.common.types import JsonObject, JsonValue
from runs.engine.tool_names import ToolNames
from runs.json_schema import check
from runs.llm.errors import ModelError, Trouble
from runs.llm.request import Answer, ModelRequest, Usage

_ANSWER_TOOL = "answer"


def messages_of(request: ModelRequest, names: ToolNames) -> list[ModelMessage]:
    """Return the messages; what stands on one side of the talk in a row becomes one message."""
    found: list[ModelMessage] = []
    parts: list[ModelRequestPart] = []
    for message in request.messages:
        if message["role"] == "assistant":
            found += _asked(parts, request)
            parts = []
            found.append(ModelResponse(parts=list(_said(message, names))))
        elif message["role"] == "tool":
            parts.append(ToolReturnPart(names.wire(message["tool"]), _text(message), message["call"]))
        else:
            parts.append(UserPromptPart(str(message["text"])))
    return found + _asked(parts, request)


def parameters_of(request: ModelRequest, names: ToolNames, model: Model) -> ModelRequestParameters:
    """Return the tools and the shape of the answer that the provider is told of."""
    tools = [
        ToolDefinition(
            name=names.wire(tool.name), parameters_json_schema=tool.schema, description=tool.description
        )
        for tool in request.tools
    ]
    if request.output_schema is None:
        return ModelRequestParameters(function_tools=tools)
    if model.profile.get("supports_json_schema_output"):
        shape = OutputObjectDefinition(json_schema=request.output_schema, name=_ANSWER_TOOL)
        return ModelRequestParameters(function_tools=tools, output_mode="native", output_object=shape)
    answer = ToolDefinition(
        name=_ANSWER_TOOL,
        parameters_json_schema=request.output_schema,
        description="Give the answer.",
        kind="output",
    )
    return ModelRequestParameters(
        function_tools=tools, output_mode="tool", output_tools=[answer], allow_text_output=False
    )


def answer_of(
    response: ModelResponse, request: ModelRequest, names: ToolNames, headers: Mapping[str, str]
) -> Answer:
    """Return what the provider answered.

    Raises: ModelError when a structured answer does not fit its schema.
    """
    used = Usage(response.usage.input_tokens, response.usage.output_tokens, response.usage.cache_read_tokens)
    calls = [_call(part, names) for part in response.parts if isinstance(part, ToolCallPart)]
    text = "".join(part.content for part in response.parts if isinstance(part, TextPart))
    output: JsonValue = None
    if request.output_schema is not None:
        output = _structured(text, calls, request.output_schema, used)
        calls = [call for call in calls if call["tool"] != _ANSWER_TOOL]
    return Answer(
        text=text,
        calls=calls,
        reasoning="".join(part.content for part in response.parts if isinstance(part, ThinkingPart)),
        output=output,
        finish_reason=response.finish_reason or "",
        model=response.model_name or "",
        usage=used,
        headers=dict(headers),
    )


def _asked(parts: Sequence[ModelRequestPart], request: ModelRequest) -> list[ModelMessage]:
    return [WireRequest(parts=parts, instructions=request.instructions or None)] if parts else []


def _said(message: Mapping[str, Any], names: ToolNames) -> Iterator[ModelResponsePart]:
    if message.get("text"):
        yield TextPart(str(message["text"]))
    for call in message.get("calls") or ():
        # What was no JSON cannot be sent back as arguments: some providers refuse it.
        args = json.dumps(call["args"]) if "args" in call else "{}"
        yield ToolCallPart(names.wire(call["tool"]), args, call["id"])


def _text(message: Mapping[str, Any]) -> str:
    result = message["result"]
    return result if isinstance(result, str) else json.dumps(result, ensure_ascii=False)


def _call(part: ToolCallPart, names: ToolNames) -> JsonObject:
    found: JsonObject = {"id": part.tool_call_id, "tool": names.ours(part.tool_name)}
    try:
        args = json.loads(part.args or "{}") if isinstance(part.args, str | None) else part.args
    except ValueError:
        return found | {"raw": str(part.args)}
    return found | ({"args": args} if isinstance(args, dict) else {"raw": str(part.args)})


def _structured(text: str, calls: list[JsonObject], schema: JsonObject, used: Usage) -> JsonValue:
    given = next((call.get("args") for call in calls if call["tool"] == _ANSWER_TOOL), None)
    try:
        output: JsonValue = given if given is not None else json.loads(text)
        check(output, schema, what="the answer")
    except (ValueError, InvalidInputError) as error:
        told = f"the answer does not fit the schema: {error}"
        raise ModelError(Trouble.BAD_ANSWER, told, may_be_billed=True, usage=used) from error
    return output
