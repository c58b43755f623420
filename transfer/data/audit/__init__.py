"""What is known about the files before anything is trained on them."""
