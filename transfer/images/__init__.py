"""Image folders in, their index, split and RGB arrays out."""
