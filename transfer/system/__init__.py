"""Files, caches, locks, progress and signals: what every room stands on."""
