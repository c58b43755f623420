"""A source of images becomes a split, audited folder."""
