"""The one exception of this package."""


class EmbeddedError(Exception):
    """Something on this machine stands in the way; the message says what to do about it."""
