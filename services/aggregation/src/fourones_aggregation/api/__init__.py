"""The HTTP API: roll-ups and the history of figures, read only."""
