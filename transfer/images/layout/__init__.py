"""How a folder is read: `describe` what lies there, then `decide` what it means."""
