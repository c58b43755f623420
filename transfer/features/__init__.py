"""Features: what the frozen part of a network computes, once per image."""
