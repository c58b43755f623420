"""Predictions become knowledge: figures, pictures and a page to read."""
