"""Optimizers, schedules, averages of weights and mixed precision."""
