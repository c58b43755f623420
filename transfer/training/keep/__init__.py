"""The best model and the state to resume from."""
