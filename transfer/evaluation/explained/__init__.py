"""Pictures of what raises the logit of a class, and of what a layer computes."""
