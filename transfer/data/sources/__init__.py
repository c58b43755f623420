"""What DATA means, and how a plain image folder is made of it."""
