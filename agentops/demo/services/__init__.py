"""Writes of the demo, one verb a file."""
