"""Language models: the port to their providers, and the ladder that a request climbs when one fails."""
