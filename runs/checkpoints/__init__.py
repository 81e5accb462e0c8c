"""How states are encoded, chained, stored and rebuilt."""
