"""From a source of images to an audited, split dataset."""
