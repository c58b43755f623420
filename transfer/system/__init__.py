"""Files, caches, locks, progress and signals, used by all other rooms."""
