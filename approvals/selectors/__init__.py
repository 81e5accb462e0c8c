"""Reads of the desk; each takes the actor."""
