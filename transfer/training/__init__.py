"""Training: from features and images to a classifier."""
