"""Reaching people: what is told to whom, over which channel, and what came of it."""
