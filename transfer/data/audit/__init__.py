"""Checks of the image files before training."""
