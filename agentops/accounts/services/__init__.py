"""Writes of accounts, one verb a file."""
