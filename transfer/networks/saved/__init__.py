"""Saved models are checked before Keras sees them: a file may come from anywhere.

The archive (`archive`), its config.json (`config`, `allowed`, `sizes`) and its weights (`weights`)
are measured and read as data; then `model` loads them and checks what came out.
"""
