"""Intervals, tests and metrics: NumPy and SciPy only, each formula once."""
