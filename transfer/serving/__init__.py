"""A classifier -> something that others use."""
