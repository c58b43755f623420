"""Fitting the head to feature vectors."""
