"""Who did what, when: entries that are only ever added, each sealed onto the one before it."""
