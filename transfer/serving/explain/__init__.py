"""Which places of an image raise the logit of a class."""
