"""Type aliases shared by every layer (pure)."""

from typing import TypeAlias

JsonScalar: TypeAlias = str | int | float | bool | None
# In full, without JsonScalar: where a tool is annotated with it, its module knows this one name alone.
JsonValue: TypeAlias = "str | int | float | bool | list[JsonValue] | dict[str, JsonValue] | None"
JsonObject: TypeAlias = dict[str, JsonValue]
