"""The head is fitted to feature vectors."""
