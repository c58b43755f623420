"""A run: a directory that training writes and everything else reads."""
