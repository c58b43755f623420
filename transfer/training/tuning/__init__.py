"""The top of the backbone is fine-tuned."""
