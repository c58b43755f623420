"""Fine-tuning the top of the backbone."""
