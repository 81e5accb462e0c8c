"""Writes of notify, one verb a file."""
