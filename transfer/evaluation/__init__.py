"""From predictions to metrics, figures and the report."""
