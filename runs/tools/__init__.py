"""Tools: the registry, and those that ship with the product."""
