"""Backbones, their weights and blocks, heads, and the classifier that joins them."""
