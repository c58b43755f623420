"""Arrays -> feature vectors, computed once."""
