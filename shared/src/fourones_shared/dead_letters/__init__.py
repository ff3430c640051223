"""Records that could not be applied: kept with their reason up to a limit, shown, repaired, replayed or discarded."""
