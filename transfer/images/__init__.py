"""Image folders in, RGB arrays out."""
