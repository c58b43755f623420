"""Finished runs for the trackers that people have: TensorBoard and MLflow."""
