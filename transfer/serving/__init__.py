"""Predictions of a trained classifier."""
