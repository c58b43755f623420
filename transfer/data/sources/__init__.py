"""Data sources, and how each becomes a plain image folder."""
