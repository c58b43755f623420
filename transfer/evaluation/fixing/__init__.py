"""A page of suspicious images on which a user chooses what to do with each."""
