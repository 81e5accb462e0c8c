"""Writes of the audit, one verb a file."""
