"""Tables of memory."""

from memory.models.item import Item
from memory.models.revision import Revision
from memory.models.space import Space

__all__ = ["Item", "Revision", "Space"]
