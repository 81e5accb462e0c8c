"""What the search language means for runs (pure): its keys, and terms → conditions of PostgreSQL."""
