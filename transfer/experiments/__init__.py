"""Many trainings, or parts of one: cross-validation, comparison, learning-rate search."""
