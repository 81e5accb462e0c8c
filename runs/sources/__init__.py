"""Readers of the places that events come from, one module each; runs.sources.port says what a reader is."""
