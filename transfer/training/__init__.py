"""Vectors and arrays -> a classifier."""
