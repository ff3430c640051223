"""What the three HTTP APIs have in common: problems, keys, paging, health, metrics."""
