"""Every uploaded image against what became of it."""
